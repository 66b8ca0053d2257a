"""WAVs as real writers leave them: sizes that lie, missing pad bytes, telephones, odd containers, two channels."""

import io
import struct
from collections.abc import Callable

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bus_schemas import codes
from services.runtime import wav
from services.runtime.errors import Refused
from services.runtime.wav import WavLimits
from tests.stt.wavs import EXTENSIBLE, GUID_TAIL, PCM, chunk, extensible, fmt, riff, samples, tone

LIMITS = WavLimits()
A_LAW, MU_LAW = 6, 7
SIZES = st.integers(0, 2**32 - 1) | st.integers(0, 1300)
SHAPES = st.sampled_from([(1, 16), (2, 16), (1, 24), (3, 8)])
Write = Callable[[NDArray[np.int32]], bytes]
SOUND = samples(16, seconds=0.5)
HONEST = riff(fmt(), chunk(b"data", SOUND))
EIGHT_BITS = fmt(bits=8), fmt(A_LAW, bits=8), fmt(MU_LAW, bits=8)


def heard(data: bytes) -> NDArray[np.int16]:
    return wav.read(data, LIMITS).samples


def refusal(data: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        wav.normalise(data, LIMITS)
    return caught.value


def by_ffmpeg(data: bytes) -> NDArray[np.int16]:
    """What another reader finds in a mono file."""
    with av.open(io.BytesIO(data), "r", format="wav") as container:
        resampler = av.AudioResampler("s16", "mono")
        frames = [made for frame in container.decode(audio=0) for made in resampler.resample(frame)]
        return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def stereo(one: NDArray[np.float64], other: NDArray[np.float64]) -> bytes:
    both = np.stack([one, other], axis=1)
    return riff(fmt(channels=2), chunk(b"data", np.rint(both * 32767).astype("<i2").tobytes()))


@pytest.mark.parametrize("more", [-len(SOUND), -len(SOUND) // 2, -2, 1, 2, 36, 44, 1_000_000, 0x7FFE_0000, 0x7FFF_FFFF])
@pytest.mark.parametrize("whole", [0, 36, 0xFFFF_FFFF, None])
def test_a_size_that_lies_costs_no_sound(more: int, whole: int | None) -> None:
    """Too small, too large by a byte, by the header or by far; and whatever the RIFF says of the whole file."""
    data = riff(fmt(), chunk(b"data", SOUND, len(SOUND) + more), size=whole)

    assert heard(data).tobytes() == SOUND


@pytest.mark.parametrize("lost", [1, 2, 100, len(SOUND) - 2])
def test_what_came_of_a_file_that_was_cut_off_is_heard(lost: int) -> None:
    """To the last whole sample, as ffmpeg hears it."""
    data = HONEST[:-lost]

    assert heard(data).tobytes() == SOUND[: (len(SOUND) - lost) // 2 * 2]
    assert np.array_equal(heard(data), by_ffmpeg(data))


@pytest.mark.parametrize("size", [44, 45])
def test_a_file_that_was_cut_off_before_its_first_sample_is_refused(size: int) -> None:
    """It says how much of how much came."""
    error = refusal(HONEST[:size])

    assert error.code == codes.TRUNCATED
    assert f"promises {len(SOUND)} bytes of sound and {size - 44} came" in error.message


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 400), SIZES, SHAPES)
def test_every_size_gives_the_sound_that_came(frames: int, size: int, form: tuple[int, int]) -> None:
    """Whatever a header promises of a sound that nothing follows: at most what is no whole sample is missing."""
    channels, bits = form
    block = channels * bits // 8
    body = bytes([1, 2, 3] * 600)[: frames * block]
    found = heard(riff(fmt(channels=channels, bits=bits), chunk(b"data", body, size)))

    assert frames - 1 <= len(found) <= frames + 1, "a pad byte may be taken for a sample of 8 bits"
    assert size % 2 or len(found) >= frames


@pytest.mark.parametrize(
    "before",
    [
        b"LIST" + struct.pack("<I", 7) + b"INFOodd",
        b"LIST" + struct.pack("<I", 7) + b"INFOodd\0",
        b"LIST" + struct.pack("<I", 6) + b"INFOev\0\0",
        b"id3 " + struct.pack("<I", 3) + b"abc" + b"LIST" + struct.pack("<I", 1) + b"x",
    ],
    ids=["no pad", "a pad", "two bytes more", "twice no pad"],
)
def test_a_missing_pad_byte_hides_no_chunk(before: bytes) -> None:
    """Behind a chunk of odd size stands one by the standard; some writers leave it out, some count wrong."""
    sound = chunk(b"data", SOUND)

    assert heard(riff(before, fmt(), sound)).tobytes() == SOUND
    assert heard(riff(fmt(), before, sound, before)).tobytes() == SOUND


@pytest.mark.parametrize("size", [len(SOUND), 0, 0xFFFF_FFFF, len(SOUND) + 1, 100])
@pytest.mark.parametrize("between", [b"", b"\n", chunk(b"LIST", b"INFOodd")], ids=["at once", "a byte", "a chunk"])
def test_a_second_file_in_one_frame_is_told(size: int, between: bytes) -> None:
    """Nothing of a question is dropped in silence, whatever the first header says."""
    error = refusal(riff(fmt(), chunk(b"data", SOUND, size)) + between + HONEST)

    assert error.code == codes.UNSUPPORTED
    assert "several files" in error.message


@pytest.mark.parametrize("first", [SOUND, b""])
def test_a_second_data_chunk_is_told(first: bytes) -> None:
    """Some readers play both, some the first."""
    data = riff(fmt(), chunk(b"data", first), chunk(b"LIST", b"INFOodd"), chunk(b"data", SOUND))
    error = refusal(data)

    assert error.code == codes.UNSUPPORTED
    assert "several data chunks" in error.message


@pytest.mark.parametrize("tag", [A_LAW, MU_LAW])
@pytest.mark.parametrize("wide", [False, True], ids=["plain", "extensible"])
def test_telephone_sound_is_what_ffmpeg_makes_of_it(tag: int, wide: bool) -> None:
    """All 256 bytes of G.711, and as the standard library once decoded its loudest ones."""
    data = riff(extensible(tag, 1, 8) if wide else fmt(tag, bits=8), chunk(b"data", bytes(range(256))))

    assert np.array_equal(heard(data), by_ffmpeg(data))
    assert (
        heard(data)[[0x2A, 0xAA] if tag == A_LAW else [0x00, 0x80]].tolist()
        == {
            A_LAW: [-32256, 32256],
            MU_LAW: [-32124, 32124],
        }[tag]
    )


def in_four_bytes(values: NDArray[np.float64], *, low: bool) -> NDArray[np.int32]:
    """24 bits of a sound, as the lower or the upper ones of 32."""
    whole = np.rint(values * 0x7F_FFFF).astype("<i4")
    return whole if low else whole << 8


def alsa(values: NDArray[np.int32]) -> bytes:
    """What `arecord -f S24_LE` writes: 24 bits, in frames of four bytes."""
    return riff(chunk(b"fmt ", struct.pack("<HHIIHH", PCM, 1, 16_000, 64_000, 4, 24)), chunk(b"data", values.tobytes()))


def standard(values: NDArray[np.int32]) -> bytes:
    """An extensible header that says 24 valid bits of 32."""
    guid = struct.pack("<H", PCM) + GUID_TAIL
    head = fmt(EXTENSIBLE, bits=32, more=struct.pack("<HHI", 22, 24, 0) + guid)
    return riff(head, chunk(b"data", values.tobytes()))


@pytest.mark.parametrize("write", [alsa, standard])
@pytest.mark.parametrize("low", [True, False], ids=["low", "high"])
@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_24_bits_in_32_are_heard_wherever_they_stand(write: Write, low: bool, gain: float) -> None:
    """As ALSA has them and as the standard says, loud and quiet; its samples themselves tell."""
    values = tone(16_000) * gain
    found = heard(write(in_four_bytes(values, low=low)))

    assert np.abs(found / 32768 - values).max() < 0.0001


def test_the_upper_byte_of_alsa_means_nothing() -> None:
    """A driver may leave zeros there, or anything."""
    values = in_four_bytes(tone(16_000), low=True)
    expected = heard(alsa(values))

    assert np.array_equal(heard(alsa(values & 0xFF_FFFF)), expected)
    noise = np.random.default_rng(1).integers(-128, 128, len(values)).astype("<i4") << 24
    assert np.array_equal(heard(alsa((values & 0xFF_FFFF) | noise)), expected)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=50))
def test_16_bits_that_alsa_or_the_standard_put_into_32_are_those_16_bits(numbers: list[int]) -> None:
    """Each where its own header says, when the samples do not: a quiet or coarse sound fits in either place."""
    whole = np.array(numbers, "<i4")

    assert heard(alsa(whole << 8)).tolist() == numbers
    quiet = bool((np.abs(whole) < 100).all())
    assert quiet or heard(standard(whole << 16)).tolist() == numbers


def test_a_channel_turned_over_is_no_silence() -> None:
    """As a balanced line or a wrong plug gives it."""
    voice = tone(16_000)

    assert np.array_equal(heard(stereo(voice, -voice)), heard(stereo(voice, voice)))


@pytest.mark.parametrize("place", [0, 1])
def test_of_two_speakers_the_louder_is_heard_alone(place: int) -> None:
    """Not both at once; and a microphone's direct current is no loudness."""
    near, far = tone(16_000), np.sin(np.arange(16_000) * 0.3) * 0.2 + 0.7
    data = stereo(*((near, far) if place == 0 else (far, near)))

    assert np.abs(heard(data) / 32768 - near).max() < 0.0001


def test_one_voice_on_all_channels_is_that_voice() -> None:
    """In every form that has several."""
    for bits in (8, 16, 24, 32):
        mono = heard(riff(fmt(bits=bits), chunk(b"data", samples(bits))))
        six = heard(riff(fmt(channels=6, bits=bits), chunk(b"data", samples(bits, channels=6))))
        assert np.array_equal(mono, six)


@pytest.mark.parametrize("head", EIGHT_BITS)
def test_an_odd_number_of_bytes_is_not_one_sample_more(head: bytes) -> None:
    """The pad byte behind them is no sound."""
    assert len(heard(riff(head, chunk(b"data", bytes(301))))) == 301
