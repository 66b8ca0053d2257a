"""What of a reply is said aloud."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tts import spoken


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello there. 🙂", "Hello there."),
        ("Rain ☔️ and sun ☀️", "Rain and sun"),
        ("👩🏽‍🚀 Go!", "Go!"),
        ("1️⃣ first", "1 first"),
        ("It is **very** _important_, `really`.", "It is very important, really."),
        ("# Title\n- one\n* two", "Title one two"),
        ("See [the page](https://example.org/a_b).", "See the page."),
        ("It costs $5, 20% off; 3 * 4 = 12, at 25 °C © snake_case.", None),
        ("Olá, você! Ação – é já… “certo”?", None),
        ("no\x00thing\u200b hidden", "nothing hidden"),
    ],
)
def test_what_people_say_stays_and_decoration_goes(text: str, said: str | None) -> None:
    """Words, numbers, accents and spoken symbols stay; emoji, Markdown and control characters go."""
    assert spoken.clean(text) == (text if said is None else said)


@pytest.mark.parametrize("text", ["", " \n", "...", "?!", "🙂🎉", "**", "—", "\x00"])
def test_what_nobody_can_say_is_nothing(text: str) -> None:
    """A text without a letter or a digit is empty."""
    assert spoken.clean(text) == ""


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    """Whatever a model writes, what is said has no control character and no double space."""
    said = spoken.clean(text)
    assert "\x00" not in said
    assert "  " not in said
    assert said == said.strip()
