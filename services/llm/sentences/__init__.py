"""A reply as it is written, cut into pieces that can be spoken.

The cut depends on the text alone, never on how it was chunked: a piece leaves only when no later character can move
its end. Nothing is lost or reordered: the `raw` of all pieces, joined, is the reply.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterable

from msgspec import Struct
from msgspec.structs import replace

from . import clause, thoughts
from .thoughts import visible

LIMIT = 200
"""Characters of a piece at most; XTTS cuts Portuguese audio off above 203."""
SHORTEST_CLAUSE = 60
"""An overlong sentence is cut at a clause when that leaves at least this many characters."""

ABBREVIATIONS = re.compile(
    r"(?:dra?s?|sra?s?|srta|profa?|mrs?|ms|sto?|sta|av|eng|arq|exm[oa]|gen|col|capt|cel|lt|sgt|rev|hon|gov|sen|rep|pres"
    r"|vs|ex|cf|ca|appro?x|aprox|depto?|mt|tel|obs|figs?|vol|cap|págs?|sec|al|(?:[a-z]\.)*[a-z])\Z",
    re.ASCII | re.IGNORECASE,
)
"""Words, and initials, that keep their dot inside a sentence. `etc.` and `p.m.` end one before a capital."""
BEFORE_A_NUMBER = re.compile(r"(?:nos?|n[úu]m|nr|pp|arts?|ext|m[áa]x|m[íi]n)\Z", re.IGNORECASE)
"""Words whose dot belongs to the number that follows; otherwise they end a sentence."""

_END = re.compile(r"[.!?…؟।]+[\"'”’»)\]*_`]*(?=\s|\Z)|[。！？]+[\"'”’»)\]」』*_`]*|\n")
_CLAUSE = re.compile(r"[,;:)—–](?=\s)|[，、；：]")
_GAP = re.compile(r"[^\S\n]*")
_WORD_BEFORE = re.compile(r"\w[\w.'’]*\Z")
_ENDS_ANYWAY = frozenset({"I", "a.m", "p.m", "A.M", "P.M"})

_BLOCK = re.compile(r"\A\s*(?:(?:#{1,6}|>|[-*+•·])\s+)*(?:```\w*\s*\Z)?")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^()\s]*\)")
_MARKUP = re.compile(
    r"`+|\*{2,}|~~"
    r"|(?<!\s)\*(?!\w)|(?<!\w)\*(?!\s)"  # an asterisk with space, or with words, on both sides multiplies
    r"|(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)"  # an underscore inside a word belongs to a name
    r"|(?<!\S)\|+(?!\S)"
)
_EMOJI = re.compile(
    "[\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff\u2600-\u2775\u2794-\u27bf\u2b00-\u2bff][\ufe0f\u200d\u20e3]*"
)


class Piece(Struct, frozen=True):
    """A sentence, or a clause: of the first one, or of one that is too long."""

    text: str
    """What is spoken: no markup, single spaces; empty only when `last`."""
    raw: str
    """The same as the model wrote it."""
    last: bool = False
    anew: bool = False
    """The reply begins with this piece: a thought that nothing had opened ended before it, and the pieces before were
    in it."""


async def pieces(chunks: AsyncIterable[str], most: int, *, thinks: bool = False) -> AsyncGenerator[Piece, None]:
    """Cut a reply while it is written; exactly one piece, the final one, is `last`.

    *most* pieces at most, then the rest of the reply is not read. Where that is one, it is a whole sentence. A model
    that *thinks* begins inside a thought.
    """
    hidden, rest = thoughts.OPEN if thinks else "", ""
    count, anew = 0, False
    async for chunk in chunks:
        shown = visible(hidden + chunk)
        hidden = shown.held
        if shown.anew:
            rest, count, anew = "", 0, True
        ready, rest = split(rest + shown.text, opening=count == 0 and most > 1)
        for piece in ready:
            count += 1
            yield replace(piece, last=count == most, anew=anew)
            anew = False
            if count == most:
                return
    for piece in _final(rest + visible(hidden, end=True).text, most - count, opening=count == 0 and most > 1):
        yield replace(piece, anew=anew)
        anew = False


def _final(rest: str, most: int, *, opening: bool) -> list[Piece]:
    """The pieces of what is left when nothing more comes, one at least."""
    ready, rest = split(rest, end=True, opening=opening)
    if not ready or (rest and len(ready) <= most):
        text, raw = (ready[-1].text, ready[-1].raw) if ready else ("", "")
        ready[-1:] = [Piece(text, raw + rest)]
    ready = ready[:most]
    return [*ready[:-1], replace(ready[-1], last=True)]


def split(text: str, *, end: bool = False, opening: bool = True) -> tuple[list[Piece], str]:
    """The pieces of *text* that no later character can change, and what is left.

    With *end* nothing more comes: what is left holds nothing that can be spoken. When *text* is the *opening* of a
    reply, its first piece may be a clause.
    """
    found: list[Piece] = []
    start = scan = 0
    while (stop := _stop(text, scan, end, opening and not found)) > 0:
        spoken = plain(text[scan:stop])
        if spoken:
            found.append(Piece(spoken, text[start:stop]))
            start = stop
        scan = stop
    return found, text[start:]


def plain(raw: str) -> str:
    """*raw* without Markdown and emoji, with single spaces; empty when no letter or digit is in it."""
    text = _LINK.sub(r"\1", _BLOCK.sub("", raw))
    text = " ".join(_EMOJI.sub("", _MARKUP.sub("", text)).split())
    return text if any(character.isalnum() for character in text) else ""


def first(reply: str, count: int) -> str:
    """The beginning of *reply* that *count* pieces spoke."""
    return "".join(piece.raw for piece in split(reply, end=True)[0][:count]).strip()


def _stop(text: str, scan: int, end: bool, opening: bool) -> int:
    """Where the piece that begins at *scan* stops; 0 while it cannot be told."""
    begin = scan + len(text[scan:]) - len(text[scan:].lstrip())
    if begin == len(text):
        return 0
    sentence = _sentence(text, begin, end)
    if opening:
        shown = text[begin:sentence] if sentence else text[begin:]
        early = clause.end(shown, whole=end or bool(sentence), limit=LIMIT)
        if early is None:
            return 0
        if early:
            return begin + early
    if sentence is not None:
        return sentence
    if len(text) - begin > LIMIT:
        return begin + _clause(text[begin : begin + LIMIT + 1])
    return len(text) if end else 0


def _sentence(text: str, begin: int, end: bool) -> int | None:
    """Where the sentence ends; 0 while the character that decides has not come, None where no end is in sight."""
    for match in _END.finditer(text, begin):
        if match.end() - begin > LIMIT:
            return None
        if match.end() == len(text) and not end and match[0] != "\n":
            return 0
        ends = _ends(text, begin, match, end)
        if ends is None:
            return 0
        if ends:
            return match.end()
    return None


def _ends(text: str, begin: int, match: re.Match[str], end: bool) -> bool | None:
    """Whether a sentence ends at *match*; None while the character that decides has not come."""
    if match[0] == "\n" or match[0][0] in "。！？":
        return True
    gap = _GAP.match(text, match.end())
    follows = text[gap.end() :][:1] if gap else ""
    if not follows and not end:
        return None
    if follows.islower():
        return False
    return match[0][0] != "." or match[0].startswith("..") or not _keeps_dot(text[begin : match.start()], follows)


def _keeps_dot(before: str, follows: str) -> bool:
    found = _WORD_BEFORE.search(before)
    word = found[0] if found else ""
    if word.isdecimal():
        return not before[: -len(word)].strip("#>*-+ \t") and follows not in ("", "\n")
    if word in _ENDS_ANYWAY or follows in ("", "\n"):
        return False
    if BEFORE_A_NUMBER.match(word):
        return follows.isdecimal()
    return bool(ABBREVIATIONS.match(word))


def _clause(text: str) -> int:
    """Where to cut LIMIT + 1 characters that hold no end of a sentence."""
    clauses = [match.end() for match in _CLAUSE.finditer(text) if SHORTEST_CLAUSE <= match.end() <= LIMIT]
    if clauses:
        return clauses[-1]
    spaces = [index for index, character in enumerate(text) if character.isspace()]
    return spaces[-1] if spaces else LIMIT
