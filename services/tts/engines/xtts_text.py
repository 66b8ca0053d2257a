"""Text as XTTS can take it: cut to its limits, and without the numbers that its cleaner cannot read."""

import re
from collections.abc import Callable, Iterator

_BREAKS = (
    re.compile(r"[.!?…]+[\"'”’»)]*(?=\s)|[。！？]+"),
    re.compile(r"[;:—–](?=\s)|[；：]"),
    re.compile(r"[,)](?=\s)|[，、]"),
    re.compile(r"\s"),
)
"""Where a long text is cut: at the last of the first kind that stands in its second half."""
_DIGIT = re.compile(r"\d")
_HINDI = ("शून्य", "एक", "दो", "तीन", "चार", "पाँच", "छह", "सात", "आठ", "नौ")
"""The cleaner writes numbers out in every language but this one."""

Tokens = Callable[[str], int]
"""How many tokens a text has. Raises whatever the cleaner raises."""


def parts(text: str, limit: int, tokens: Tokens, most: int, language: str) -> list[str]:
    """Cut *text* into parts of at most *limit* characters and *most* tokens: above that XTTS drops audio, or fails."""
    return [part for piece in cut(text, limit) for part in _readable(piece, tokens, most, language)]


def cut(text: str, limit: int) -> list[str]:
    """Cut at an end of a sentence, else at a clause, a comma, a space, or anywhere; no part is blank."""
    found = []
    rest = text.strip()
    while len(rest) > limit:
        at = _break(rest[: limit + 1], limit)
        found.append(rest[:at].strip())
        rest = rest[at:].strip()
    return [part for part in [*found, rest] if part]


def _break(window: str, limit: int) -> int:
    for marks in _BREAKS:
        at = max((match.end() for match in marks.finditer(window) if match.end() <= limit), default=0)
        if at >= limit // 2 > 0:
            return at
    return limit


def _readable(part: str, tokens: Tokens, most: int, language: str) -> Iterator[str]:
    try:
        count = tokens(part)
    except Exception:  # the cleaner's number library raises a different error for each language
        part = digit_by_digit(part, language)
        count = tokens(part)
    if count < most or len(part) < 2:
        yield part
        return
    for half in cut(part, max(1, len(part) // 2)):
        yield from _readable(half, tokens, most, language)


def digit_by_digit(text: str, language: str) -> str:
    """A number that is too long to be said as one, digit by digit."""
    return " ".join(_DIGIT.sub(lambda found: f" {_said(found[0], language)} ", text).split())


def _said(digit: str, language: str) -> str:
    return _HINDI[int(digit)] if language == "hi" else digit
