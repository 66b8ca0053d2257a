"""The languages that detection may choose among."""

import pytest
from faster_whisper.tokenizer import _LANGUAGE_CODES  # type: ignore[import-untyped]

from services.runtime.errors import SettingsError
from services.stt import languages


def test_the_known_languages_are_whispers() -> None:
    """A language that Whisper learns must be added, one that it drops must go."""
    assert set(_LANGUAGE_CODES) == languages.KNOWN


def test_a_choice_is_read_as_it_is_written() -> None:
    assert languages.choice("en, pt") == ("en", "pt")


def test_all_is_no_restriction() -> None:
    assert languages.choice("all") == ()


@pytest.mark.parametrize("text", ["en,english", "klingon", ","])
def test_a_code_that_is_none_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match="WHISPER_LANGUAGES"):
        languages.choice(text)
