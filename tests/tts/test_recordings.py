"""The recordings that ship in audios/."""

import wave
from pathlib import Path

import pytest

from services.tts import voices

AUDIOS = Path("audios")
SHIPPED = voices.read("audios")


@pytest.mark.parametrize("path", sorted(AUDIOS.glob("*.wav")), ids=lambda path: path.name)
def test_a_recording_is_small_and_of_a_form_every_program_reads(path: Path) -> None:
    """16-bit mono PCM of 22.05 kHz or more, under 600 KB."""
    with wave.open(str(path)) as recording:
        assert (recording.getnchannels(), recording.getsampwidth()) == (1, 2)
        assert recording.getframerate() >= 22_050
    assert path.stat().st_size < 600_000


@pytest.mark.parametrize("name", SHIPPED.by_name)
def test_a_reference_is_long_enough_to_be_imitated(name: str) -> None:
    """A cloning engine wants 6 to 30 seconds; ours are 8 to 12."""
    with wave.open(str(SHIPPED.folder / SHIPPED.by_name[name].file)) as recording:
        assert 8 <= recording.getnframes() / recording.getframerate() <= 12
