"""Text as XTTS can take it, without XTTS."""

import pytest

from services.tts.engines.xtts_text import cut, digit_by_digit, parts


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("Short.", 20, ["Short."]),
        ("One is here. Two is there, and more.", 24, ["One is here.", "Two is there, and more."]),
        ("The value is 12.5, or so; take it.", 26, ["The value is 12.5, or so;", "take it."]),
        ("no mark at all in here", 12, ["no mark at", "all in here"]),
        ("x" * 25, 10, ["x" * 10, "x" * 10, "x" * 5]),
        ("今日は晴れです。明日は雨でしょう、たぶん。", 12, ["今日は晴れです。", "明日は雨でしょう、", "たぶん。"]),
        ("  ", 5, []),
    ],
)
def test_a_long_text_is_cut_at_the_strongest_late_mark(text: str, limit: int, expected: list[str]) -> None:
    assert cut(text, limit) == expected


def test_nothing_is_lost_and_nothing_is_too_long() -> None:
    text = "Ontem, às 8:30, comprei 3,5 kg de maçãs... e depois? Voltei; " * 9
    for limit in (10, 33, 203):
        found = cut(text, limit)
        assert max(map(len, found)) <= limit
        assert "".join(found).replace(" ", "") == text.replace(" ", "")


def test_what_has_too_many_tokens_is_halved_until_it_fits() -> None:
    found = parts("one two three four five six", 100, lambda part: len(part) * 4, 48, "en")
    assert all(len(part) * 4 < 48 for part in found)
    assert " ".join(found) == "one two three four five six"


def test_a_number_that_cannot_be_said_is_said_digit_by_digit() -> None:
    """The library that writes numbers out fails above some size, and for Hindi always."""

    def tokens(part: str) -> int:
        if "12" in part or "5" in part:
            raise OverflowError(part)
        return 1

    assert parts("Pay 1234 now", 50, tokens, 50, "en") == ["Pay 1 2 3 4 now"]
    assert parts("5", 50, tokens, 50, "hi") == ["पाँच"]
    assert digit_by_digit("a1b", "pt") == "a 1 b"
