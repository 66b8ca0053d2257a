"""Every real form of WAV is read, every wrong one is refused with its own code and a sentence."""

import io
import struct
import wave

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bus_schemas import codes
from services.runtime import riff, wav
from services.runtime.errors import Refused
from services.runtime.wav import Sound, WavLimits

LIMITS = WavLimits()
TONE = np.sin(np.arange(16_000) * 2 * np.pi * 440 / 16_000) * 0.5
"""One second of 440 Hz."""
FLOAT_GUID = struct.pack("<H", riff.FLOAT) + riff.GUID_TAIL
PCM_GUID = struct.pack("<H", riff.PCM) + riff.GUID_TAIL


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return struct.pack("<4sI", name, len(body) if size is None else size) + body + bytes(len(body) % 2)


def fmt(tag: int = riff.PCM, channels: int = 1, rate: int = 16_000, bits: int = 16, more: bytes = b"") -> bytes:
    block = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + more)


def extensible(guid: bytes, bits: int, channels: int = 1) -> bytes:
    return fmt(riff.EXTENSIBLE, channels, bits=bits, more=struct.pack("<HHI", 22, bits, 0) + guid)


def wav_file(*chunks: bytes, size: int | None = None, kind: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return struct.pack("<4sI", kind, len(body) if size is None else size) + body


def pcm16(samples: NDArray[np.float64]) -> bytes:
    return np.rint(samples * 32767).astype("<i2").tobytes()


def encoded(bits: int, floating: bool) -> bytes:
    if floating:
        return TONE.astype(f"<f{bits // 8}").tobytes()
    if bits == 8:
        return np.rint(TONE * 127 + 128).astype(np.uint8).tobytes()
    whole = np.rint(TONE * (2 ** (bits - 1) - 1)).astype("<i4")
    return bytes(whole.view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes())


def is_the_tone(sound: Sound, tolerance: float) -> bool:
    return len(sound.samples) == len(TONE) and bool(np.abs(sound.samples / 32768 - TONE).max() < tolerance)


def refusal(data: bytes, limits: WavLimits = LIMITS) -> Refused:
    with pytest.raises(Refused) as caught:
        wav.normalise(data, limits)
    assert caught.value.message[0].isupper(), "a message is a sentence"
    assert caught.value.message.endswith("."), "a message is a sentence"
    return caught.value


FORMS = [(8, False), (16, False), (24, False), (32, False), (32, True), (64, True)]


@pytest.mark.parametrize(("bits", "floating"), FORMS)
@pytest.mark.parametrize("wide", [False, True], ids=["plain", "extensible"])
def test_samples_of_every_kind_give_the_same_sound(bits: int, floating: bool, wide: bool) -> None:
    """Integers of 8 to 32 bits and floats, in a plain or an extensible header."""
    guid = FLOAT_GUID if floating else PCM_GUID
    head = extensible(guid, bits) if wide else fmt(riff.FLOAT if floating else riff.PCM, bits=bits)
    sound = wav.read(wav_file(head, chunk(b"data", encoded(bits, floating))), LIMITS)

    assert is_the_tone(sound, 0.01 if bits == 8 else 0.0001)


@pytest.mark.parametrize(
    "codec",
    ["pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw"],
)
@pytest.mark.parametrize(("rate", "layout"), [(8_000, "mono"), (44_100, "stereo"), (48_000, "5.1"), (96_000, "stereo")])
def test_files_written_by_ffmpeg_are_read(codec: str, rate: int, layout: str) -> None:
    """A real writer's file of any rate and number of channels becomes one second of 16 kHz mono."""
    normal = wav.normalise(ffmpeg(codec, rate, layout), LIMITS)

    with wave.open(io.BytesIO(normal)) as file:
        assert file.getparams()[:3] == (1, 2, 16_000)
        assert abs(file.getnframes() - 16_000) <= 160
        heard = np.frombuffer(file.readframes(16_000), np.int16)
    spectrum = np.abs(np.fft.rfft(heard))
    assert abs(int(spectrum.argmax()) * 16_000 / len(heard) - 440) < 5


@pytest.mark.parametrize(
    ("codec", "name"), [("adpcm_ms", "Microsoft ADPCM"), ("adpcm_ima_wav", "IMA ADPCM"), ("libmp3lame", "MP3")]
)
def test_compressed_wavs_of_ffmpeg_are_refused_by_name(codec: str, name: str) -> None:
    """The message says which codec it is."""
    error = refusal(ffmpeg(codec, 16_000, "mono"))

    assert (error.code, name in error.message) == (codes.COMPRESSED, True)


def ffmpeg(codec: str, rate: int, layout: str) -> bytes:
    output = io.BytesIO()
    tone = (np.sin(np.arange(rate) * 2 * np.pi * 440 / rate) * 0.5).astype(np.float32)
    with av.open(output, "w", format="wav") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        assert isinstance(stream, av.AudioStream)
        channels = stream.codec_context.layout.nb_channels
        whole = av.AudioFrame.from_ndarray(np.tile(tone, (channels, 1)), format="fltp", layout=layout)
        whole.rate = rate
        resampler = av.AudioResampler(
            stream.codec_context.format, layout, rate, frame_size=stream.codec_context.frame_size or None
        )
        for frame in [*resampler.resample(whole), *resampler.resample(None), None]:
            container.mux(stream.encode(frame))
    return output.getvalue()


def test_of_several_channels_the_one_that_speaks_is_heard() -> None:
    """As loud as it is there."""
    frames = np.zeros((len(TONE), 3))
    frames[:, 1] = TONE
    sound = wav.read(wav_file(fmt(channels=3), chunk(b"data", pcm16(frames))), LIMITS)

    assert np.abs(sound.samples / 32768 - TONE).max() < 0.0001


def test_other_chunks_are_stepped_over() -> None:
    """JUNK, bext, fact and odd-sized LIST chunks may stand before and after the sound, padded."""
    data = wav_file(
        chunk(b"JUNK", bytes(27)),
        fmt(),
        chunk(b"bext", bytes(602)),
        chunk(b"LIST", b"INFOodd"),
        chunk(b"fact", bytes(4)),
        chunk(b"data", pcm16(TONE)),
        chunk(b"LIST", b"INFOmore!"),
    )

    assert is_the_tone(wav.read(data, LIMITS), 0.0001)


@pytest.mark.parametrize("promised", [0, 0xFFFF_FFFF, 0x8000_0000, 0x7FFF_F000])
@pytest.mark.parametrize("whole", [0, 0xFFFF_FFFF, 36, None])
def test_a_streaming_header_takes_all_that_is_there(promised: int, whole: int | None) -> None:
    """Whoever writes into a pipe cannot know the size; the sound is what came."""
    data = wav_file(fmt(), chunk(b"data", pcm16(TONE), promised), size=whole)

    assert is_the_tone(wav.read(data, LIMITS), 0.0001)


def test_rf64_is_read() -> None:
    """A 64-bit WAV keeps its size in a chunk of its own; what follows the sound is no sound."""
    sizes = struct.pack("<QQQI", 0, len(TONE) * 2, len(TONE), 0)
    sound = chunk(b"data", pcm16(TONE), 0xFFFF_FFFF)
    data = wav_file(chunk(b"ds64", sizes), fmt(), sound, chunk(b"LIST", bytes(64)), size=0xFFFF_FFFF, kind=b"RF64")

    assert is_the_tone(wav.read(data, LIMITS), 0.0001)


def test_a_partial_last_frame_is_dropped() -> None:
    """Half a sample at the end is no reason to refuse the rest."""
    data = wav_file(fmt(channels=2), chunk(b"data", bytes(4 * 100 + 3)))

    assert len(wav.read(data, LIMITS).samples) == 100


def test_a_canonical_wav_comes_back_as_it_is() -> None:
    """What is 16 kHz mono 16-bit behind 44 bytes is not copied."""
    data = wav.write(Sound(np.arange(1000, dtype=np.int16), 16_000))

    assert wav.normalise(data, LIMITS) is data


def test_normalising_twice_changes_nothing() -> None:
    """An extra chunk is lost, never a sample."""
    data = wav_file(fmt(), chunk(b"data", pcm16(TONE)), chunk(b"LIST", bytes(10)))
    once = wav.normalise(data, LIMITS)

    assert len(once) == 44 + len(TONE) * 2
    assert once[44:] == pcm16(TONE)
    assert wav.normalise(once, LIMITS) is once


def test_loud_and_broken_floats_are_cut_to_full_scale() -> None:
    """NaN is silence; infinity and anything over 1 are full scale."""
    samples = np.array([np.nan, np.inf, -np.inf, 2.0, -2.0, 1e300, 0.5])
    sound = wav.read(wav_file(fmt(riff.FLOAT, bits=64), chunk(b"data", samples.tobytes())), LIMITS)

    assert sound.samples.tolist() == [0, 32767, -32768, 32767, -32768, 32767, 16384]


GOOD = wav_file(fmt(), chunk(b"data", pcm16(TONE)))
WRONG = {
    "nothing": (b"", codes.EMPTY),
    "text": (b"hello, this is no WAV file", codes.NOT_WAV),
    "an AVI file": (b"RIFF\x10\0\0\0AVI LIST", codes.NOT_WAV),
    "no data chunk": (wav_file(fmt()), codes.NOT_WAV),
    "no fmt chunk": (wav_file(chunk(b"data", bytes(100))), codes.NOT_WAV),
    "a short fmt chunk": (wav_file(chunk(b"fmt ", bytes(8)), chunk(b"data", bytes(100))), codes.NOT_WAV),
    "a big-endian file": (b"RIFX\0\0\0\x24WAVE", codes.UNSUPPORTED),
    "no samples": (wav_file(fmt(), chunk(b"data", b"")), codes.EMPTY),
    "no samples, then a chunk": (wav_file(fmt(), chunk(b"data", b""), chunk(b"LIST", b"INFOodd")), codes.EMPTY),
    "half a sample": (wav_file(fmt(), chunk(b"data", b"\1")), codes.EMPTY),
    "4 kHz": (wav_file(fmt(rate=4_000), chunk(b"data", bytes(100))), codes.UNSUPPORTED),
    "192 kHz": (wav_file(fmt(rate=192_000), chunk(b"data", bytes(100))), codes.UNSUPPORTED),
    "0 Hz": (wav_file(fmt(rate=0), chunk(b"data", bytes(100))), codes.UNSUPPORTED),
    "12 bits": (wav_file(fmt(bits=12), chunk(b"data", bytes(100))), codes.UNSUPPORTED),
    "16-bit float": (wav_file(fmt(riff.FLOAT, bits=16), chunk(b"data", bytes(100))), codes.UNSUPPORTED),
    "no channels": (wav_file(fmt(channels=0), chunk(b"data", bytes(100))), codes.UNSUPPORTED),
    "33 channels": (wav_file(fmt(channels=33), chunk(b"data", bytes(1000))), codes.UNSUPPORTED),
    "a strange GUID": (wav_file(extensible(bytes(16), 16), chunk(b"data", bytes(100))), codes.UNSUPPORTED),
    "an unknown codec": (wav_file(fmt(0x1234), chunk(b"data", bytes(100))), codes.COMPRESSED),
    "extensible MP3": (wav_file(extensible(b"\x55\0" + riff.GUID_TAIL, 8), chunk(b"data", b"1234")), codes.COMPRESSED),
    "A-law of 16 bits": (wav_file(fmt(riff.A_LAW, bits=16), chunk(b"data", bytes(100))), codes.UNSUPPORTED),
    "40 bits": (wav_file(fmt(bits=40), chunk(b"data", bytes(100))), codes.UNSUPPORTED),
    "121 s": (wav_file(fmt(rate=8_000, bits=8), chunk(b"data", bytes(121 * 8_000))), codes.TOO_LONG),
    "cut in the first sample": (GOOD[:45], codes.TRUNCATED),
    "cut after the header": (GOOD[:44], codes.TRUNCATED),
    "cut in a chunk's head": (GOOD[:40], codes.TRUNCATED),
    "cut in fmt": (GOOD[:30], codes.TRUNCATED),
    "cut in RIFF": (GOOD[:9], codes.TRUNCATED),
}


@pytest.mark.parametrize("what", WRONG)
def test_each_wrong_input_has_its_own_code(what: str) -> None:
    """And the message is a sentence."""
    data, code = WRONG[what]

    assert refusal(data).code == code


def test_a_refusal_says_the_numbers() -> None:
    """How long it is and what is taken; how large; what came of what was promised; what it looks like instead."""
    long = wav_file(fmt(rate=8_000, bits=8), chunk(b"data", bytes(3 * 8_000)))
    large = refusal(bytes(2 * wav.MEBIBYTE), WavLimits(max_bytes=wav.MEBIBYTE))

    assert "3.0 s long; at most 2 s" in refusal(long, WavLimits(max_seconds=2)).message
    assert large.code == codes.TOO_LARGE
    assert "2.0 MiB; at most 1 MiB" in large.message
    assert "promises 32000 bytes of sound and 1 came" in refusal(GOOD[:45]).message
    assert "looks like Ogg" in refusal(b"OggS" + bytes(100)).message


def test_writing_gives_what_the_standard_library_reads() -> None:
    """44 bytes of header, then the samples."""
    samples = np.arange(-500, 500, dtype=np.int16)

    with wave.open(io.BytesIO(wav.write(Sound(samples[::2], 24_000)))) as file:
        assert file.getparams()[:4] == (1, 2, 24_000, 500)
        assert file.readframes(500) == samples[::2].tobytes()


def test_joining_keeps_order_and_rate() -> None:
    """Empty WAVs, even without a header, are skipped; another rate is brought to the first one's."""
    one, two = (Sound(np.full(n, n, np.int16), 24_000) for n in (2_400, 4_800))
    slow = Sound(np.full(1_600, 7, np.int16), 16_000)
    nothing = wav.write(Sound(np.zeros(0, np.int16), 24_000))
    joined = wav.read(wav.join([wav.write(one), b"", nothing, wav.write(two), wav.write(slow)], 1 << 20), LIMITS)

    assert (joined.rate, len(joined.samples)) == (24_000, 2_400 + 4_800 + 2_400)
    assert (joined.samples[:2_400] == 2_400).all()
    assert (joined.samples[2_400:7_200] == 4_800).all()


def test_joining_nothing_gives_a_wav_without_samples() -> None:
    """44 bytes that the standard library opens."""
    data = wav.join([b"", b""], 1 << 20)

    with wave.open(io.BytesIO(data)) as file:
        assert (len(data), file.getnframes()) == (44, 0)


def test_a_joined_wav_that_is_too_big_goes_down_to_16_khz() -> None:
    """30 s of 24 kHz are 1.4 MB and 0.96 MB at 16 kHz; 60 s are sent whole, at 16 kHz."""
    half = wav.write(Sound(np.zeros(15 * 24_000, np.int16), 24_000))
    small, whole = wav.join([half, half], 1 << 20), wav.join([half] * 4, 1 << 20)

    assert len(small) == 44 + 30 * 32_000
    assert len(whole) == 44 + 60 * 32_000


OUTCOMES = {value for name, value in vars(codes).items() if name.isupper()} | {"sound"}


def outcome(data: bytes) -> str:
    try:
        wav.normalise(data, LIMITS)
    except Refused as refused:
        return refused.code
    return "sound"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 70), st.binary(max_size=8))
def test_hostile_bytes_give_a_sound_or_a_refusal(tail: bytes, cut: int, splice: bytes) -> None:
    """Whatever is written over a good file, wherever it is cut."""
    assert outcome(tail) in OUTCOMES
    assert outcome(b"RIFF" + tail[:4].ljust(4) + b"WAVE" + tail) in OUTCOMES
    assert outcome(GOOD[:cut] + splice + GOOD[cut + len(splice) : 120] + tail) in OUTCOMES


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FORMS), st.integers(1, 32), st.sampled_from([8_000, 11_025, 44_100, 96_000]), st.binary())
def test_any_samples_give_a_sound(form: tuple[int, bool], channels: int, rate: int, body: bytes) -> None:
    """Floats of any bits, any number of channels, however few samples."""
    bits, floating = form
    data = wav_file(fmt(riff.FLOAT if floating else riff.PCM, channels, rate, bits), chunk(b"data", body))

    assert outcome(data) in {"sound", codes.EMPTY}


def test_a_file_of_crumbs_is_refused_before_it_costs_seconds() -> None:
    crumbs = b"RIFF\xff\xff\xff\xffWAVE" + b"junk\0\0\0\0" * 1_000_000
    with pytest.raises(Refused, match="more than 1000 chunks") as refused:
        wav.read(crumbs, WavLimits())

    assert refused.value.code == codes.NOT_WAV
