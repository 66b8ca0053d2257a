"""The catalogue of voices."""

from pathlib import Path

import pytest

from bus_schemas import codes
from services.runtime.errors import Refused, SettingsError, StartError
from services.tts import voices
from services.tts.voices import Cast, Voices

ENTRY = """
[ana]
file = "ana.wav"
language = "pt"
licence = "CC0-1.0"
source = "Ana, who agreed"
embedded = { pt = "kokoro/jf_alpha" }

[bob]
file = "bob.wav"
language = "en"
licence = "CC0-1.0"
source = "Bob, who agreed"
embedded = { en = "piper/joe", pt = "kokoro/jm_kumo" }

[carla]
file = "carla.wav"
language = "en"
licence = "CC0-1.0"
source = "Carla, who agreed"
"""


def catalogue(folder: Path, text: str = ENTRY) -> Voices:
    (folder / "voices.toml").write_text(text, encoding="utf-8")
    for name in ("ana", "bob", "carla"):
        (folder / f"{name}.wav").touch()
    return voices.read(str(folder))


def test_the_shipped_catalogue_has_a_man_and_a_woman_of_both_languages() -> None:
    """`man` and `woman` speak English and Portuguese with the embedded engines."""
    shipped = voices.read("audios")
    for name in ("man", "woman"):
        for language in ("en", "pt"):
            assert voices.cast(shipped, name, language).name == name


def test_the_catalogue_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative VOICES_DIR that is not here is the one beside the program."""
    monkeypatch.chdir(tmp_path)
    assert "man" in voices.read("audios").by_name


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", Cast("bob", "en", "piper/joe")),
        ("pt", Cast("bob", "pt", "kokoro/jm_kumo")),
        ("pt-BR", Cast("bob", "pt", "kokoro/jm_kumo")),
        ("PT_br", Cast("bob", "pt", "kokoro/jm_kumo")),
        ("", Cast("bob", "en", "piper/joe")),
    ],
)
def test_a_voice_speaks_each_of_its_languages(tmp_path: Path, language: str, expected: Cast) -> None:
    """The preset follows from the language, whatever its region; no language is the voice's own."""
    assert voices.cast(catalogue(tmp_path), "bob", language) == expected


def test_another_voice_stands_in_for_one_that_does_not_speak_the_language(tmp_path: Path) -> None:
    """A language that the voice lacks is spoken by the first that has it."""
    assert voices.cast(catalogue(tmp_path), "ana", "en") == Cast("bob", "en", "piper/joe")


def test_a_language_nobody_speaks_is_refused_with_those_that_are(tmp_path: Path) -> None:
    """The sender is told what can be asked for."""
    with pytest.raises(Refused, match="nobody here speaks 'fr'; the voices speak en, pt") as refused:
        voices.cast(catalogue(tmp_path), "bob", "fr")
    assert refused.value.code == codes.LANGUAGE


def test_an_unknown_voice_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    """The sender is told who can be asked for."""
    with pytest.raises(Refused, match="no voice 'dora' here; there are ana, bob, carla") as refused:
        voices.cast(catalogue(tmp_path), "dora", "en")
    assert refused.value.code == codes.VOICE


def test_a_voice_that_is_only_a_recording_is_refused_by_engines_that_cannot_clone(tmp_path: Path) -> None:
    """Nobody is given another voice for one that was asked for by name."""
    with pytest.raises(Refused, match="only a recording") as refused:
        voices.cast(catalogue(tmp_path), "carla", "en")
    assert refused.value.code == codes.VOICE


def test_an_unknown_default_is_a_wrong_setting(tmp_path: Path) -> None:
    """VOICE_NAME is checked at the start, not at the first sentence."""
    with pytest.raises(SettingsError, match="VOICE_NAME: no voice 'dora'"):
        voices.check_default(catalogue(tmp_path), "dora")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The error names the file and the setting."""
    with pytest.raises(StartError, match=r"cannot read .*nowhere/voices.toml .*VOICES_DIR"):
        voices.read(str(tmp_path / "nowhere"))


def test_a_recording_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The error names the voice and the file."""
    with pytest.raises(StartError, match=r"voice 'dora' has no recording .*dora.wav"):
        catalogue(tmp_path, ENTRY.replace("[bob]", "[dora]").replace("bob.wav", "dora.wav"))


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "names no voice"),
        ("[ana", "voices.toml: "),
        (ENTRY.replace('licence = "CC0-1.0"\n', ""), "missing required field `licence`"),
        (ENTRY.replace("file =", "path ="), "path"),
        (ENTRY.replace("piper/joe", "espeak/joe"), "embedded"),
        (ENTRY.replace("[ana]", '["a b"]'), "key"),
        (ENTRY.replace('"pt"', '"Portuguese"'), "language"),
    ],
)
def test_a_wrong_entry_is_told(tmp_path: Path, written: str, told: str) -> None:
    """The error names what is wrong and the page with an example, except where the sentence says it all."""
    with pytest.raises(StartError, match=told):
        catalogue(tmp_path, written)
