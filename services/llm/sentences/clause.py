"""Where the first piece of a reply may end before its sentence does, so that it is heard while the rest is written.

Only what follows within one word is looked at: the cut depends on the text alone, and waits for nothing more.
"""

import re

FEWEST_WORDS = 3
FEWEST_CHARACTERS = 15
"""Of a first piece that ends at a mark; about a second of speech. `Yes,` alone would sound cut off."""
LONG = 30
"""Characters after which a sentence without any mark is cut before a conjunction, where a speaker may breathe."""
FARTHEST_WORD = 24
"""Characters of the next word that are waited for."""

_CUT = re.compile(
    r"[,;:—–](?=\s)"
    r"|(?P<breath>\s+)(?=(?:because|but|although|though|while|whereas|which|porque|mas|pois|embora|enquanto)\s)",
)
_WORD = re.compile(r"[^\W_]+(?:['’.,:-][^\W_]+)*")
_LAST_ITEM = frozenset({"and", "or", "nor", "e", "ou", "nem"})
_CLOSERS = "\"'”’»)]*_`"
_PAIRS = ("()", "[]", "{}", "“”", "«»", "‘’", "「」")
_SAME = ('"', "`", "**")


def end(text: str, *, whole: bool, limit: int) -> int | None:
    """How many characters of *text*, the beginning of a sentence, are a first piece; 0: none so far.

    None while the word after a mark has not come whole; with *whole* nothing more comes. At most *limit*.
    """
    listing = False
    for cut in _CUT.finditer(text, 0, limit):
        before = text[: cut.start()]
        if _inside(before):
            continue
        if cut["breath"]:
            if len(before) >= LONG:
                return cut.start()
            continue
        if not _sounds_whole(before):
            continue
        word = _next_word(text[cut.end() :], whole)
        if word is None:
            return None
        if not _is_stump(word) and not _goes_on(before, word, listing):
            return cut.end()
        listing = listing or word.endswith(",")
    return 0


def _sounds_whole(before: str) -> bool:
    """Whether it is long enough, and does not end in an abbreviation (`e.g.,`)."""
    enough = len(before) >= FEWEST_CHARACTERS and len(_WORD.findall(before)) >= FEWEST_WORDS
    return enough and not before.endswith(".")


def _next_word(after: str, whole: bool) -> str | None:
    """The word that follows; empty when none does, None while it cannot be told."""
    after = after.lstrip()
    word = after.split(maxsplit=1)[0] if after else ""
    if len(word) < len(after) or len(word) >= FARTHEST_WORD or whole:
        return word
    return None


def _is_stump(word: str) -> bool:
    """Whether so little would be left alone: a last word, or one item of a list (`red, yellow, and blue`)."""
    bare = word.rstrip(_CLOSERS)
    return not bare or bare[-1] in ",;:" or (bare[-1] in ".!?…" and not bare[:-1].isdecimal())


def _goes_on(before: str, word: str, listing: bool) -> bool:
    """Whether the mark stands between two numbers, or before the last item of a list."""
    numbers = before.rstrip()[-1].isdecimal() and word[0].isdecimal()
    return numbers or (listing and word in _LAST_ITEM)


def _inside(before: str) -> bool:
    """Whether a quotation, a bracket or marked-up text is open."""
    odd = any(before.count(mark) % 2 for mark in _SAME)
    return odd or any(before.count(pair[0]) > before.count(pair[1]) for pair in _PAIRS)
