"""The recordings that XTTS imitates, and the licence that it starts with; without XTTS."""

from pathlib import Path

import numpy as np
import pytest

from services.runtime import wav
from services.runtime.errors import SettingsError, StartError
from services.runtime.wav import Sound
from services.tts import engines
from services.tts.engines import xtts_references as references
from services.tts.engines.xtts_references import Reference
from services.tts.settings import TtsSettings

NOISE = np.random.default_rng(3)


def recording(seconds: float, rate: int = 22_050, level: float = 0.1) -> bytes:
    samples = NOISE.standard_normal(round(seconds * rate)) * level * 32_767
    return wav.write(Sound(np.clip(samples, -32_768, 32_767).astype(np.int16), rate))


def read(*recordings: bytes) -> Reference:
    return references.read(recordings, [Path(f"{number}.wav") for number in range(len(recordings))])


def test_a_good_recording_is_taken_as_it_is() -> None:
    found = read(recording(7))
    assert found.warnings == ()
    assert found.sounds[0].dtype == np.float32
    assert len(found.sounds[0]) == 7 * references.RATE


def test_the_shipped_voices_are_good_ones() -> None:
    for name in ("man", "woman"):
        assert read(Path("audios", f"{name}.wav").read_bytes()).warnings == ()


@pytest.mark.parametrize(
    ("poor", "expected"),
    [
        (recording(3), "3.0 s of recordings"),
        (recording(7, rate=16_000), "0.wav has 16000 Hz"),
        (recording(7, level=0.01), "0.wav is quiet"),
        (recording(7, level=1.0), "0.wav is clipped"),
    ],
    ids=["short", "dull", "quiet", "clipped"],
)
def test_a_poor_recording_is_taken_with_a_warning(poor: bytes, expected: str) -> None:
    (warning,) = read(poor).warnings
    assert warning.startswith(expected)


def test_several_short_recordings_are_enough_together() -> None:
    found = read(recording(3.5), recording(3.5, rate=44_100))
    assert found.warnings == ()
    assert [round(len(sound) / references.RATE, 1) for sound in found.sounds] == [3.5, 3.5]


def test_what_nobody_can_be_imitated_by_stops_the_start() -> None:
    """Too short for any model, silent, or no WAV."""
    for bad in (recording(0.3), recording(7, level=0.0), b"RIFF, or not"):
        with pytest.raises(StartError, match=r"0\.wav"):
            read(bad)
    with pytest.raises(StartError, match=r"nowhere\.wav cannot be read"):
        references.content([Path("nowhere.wav")])


def test_a_voice_is_known_by_content() -> None:
    one, two = recording(1), recording(1)
    assert references.key([one], "6 6") == references.key([one], "6 6")
    different = {
        references.key(*each) for each in (([one], "6 6"), ([two], "6 6"), ([one], "30 6"), ([one, two], "6 6"))
    }
    assert len(different) == 4


def test_without_the_operators_word_on_the_licence_xtts_does_not_start() -> None:
    """One sentence says what is agreed to; no library is looked for before."""
    with pytest.raises(SettingsError, match=r"only non-commercial use of the model .* COQUI_TOS_AGREED=1 if you agree"):
        engines.load(TtsSettings(tts_engine="xtts"))
