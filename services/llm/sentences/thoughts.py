"""What a model thinks before it speaks: the part of a reply that is never spoken.

Some chat templates open `<think>` in the prompt, so that a reply begins inside a thought and holds only its `</think>`.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterable

import structlog
from msgspec import Struct

OPEN, CLOSE = "<think>", "</think>"
MOST_SESSIONS = 10_000
"""Sessions whose habit is remembered; the one that asked longest ago is forgotten first."""

log = structlog.get_logger()


class Habits:
    """The habit of the model in each session: what one person has it write must not hold back another's sentences."""

    def __init__(self) -> None:
        self._of: OrderedDict[tuple[str, str], Habit] = OrderedDict()

    def of(self, origin: str, session: str) -> "Habit":
        """That of a session, which is kept from now on."""
        habit = self._of.setdefault((origin, session), Habit())
        self._of.move_to_end((origin, session))
        if len(self._of) > MOST_SESSIONS:
            self._of.popitem(last=False)
        return habit


class Habit:
    """Whether a model's replies begin inside a thought, as far as the latest one of a session tells."""

    def __init__(self) -> None:
        self._inside = False

    async def heed(self, chunks: AsyncIterable[str]) -> AsyncGenerator[str, None]:
        """A reply as it comes; where the latest began in a thought, nothing before this one's `</think>`, or its end.

        Any model may write that tag once: a reply without it is given whole, only later.
        """
        held, inside = "", self._inside
        async for chunk in chunks:
            held += chunk
            if not inside or CLOSE in held:
                yield held
                held, inside = "", False
        if held:
            yield held

    def learn(self, inside: bool) -> None:
        """Take note of a reply that is over. Its thought may have been spoken; the next one's is not."""
        if inside:
            log.warning("thought_spoken", advice="where a model's template opens <think> itself, set LLM_THINKS=true")
        self._inside = inside


class Shown(Struct, frozen=True):
    """What is known of a reply's next part."""

    text: str
    """Outside of every thought."""
    held: str = ""
    """What cannot be told yet; it belongs before the next part. OPEN here: it goes on inside a thought."""
    anew: bool = False
    """A thought ended that nothing opened: all of the reply before *text* was in it."""


def visible(part: str, *, end: bool = False) -> Shown:
    """Leave out what stands in thoughts; with *end* nothing follows."""
    text, anew = "", False
    while (found := _first(part)) is not None:
        tag, at = found
        if tag == CLOSE:
            text, anew = "", True
            part = part[at + len(CLOSE) :]
            continue
        text += part[:at]
        closing = part.find(CLOSE, at)
        if closing < 0:
            return Shown(text, "" if end else OPEN + part[at + len(OPEN) :][-len(CLOSE) :], anew)
        part = part[closing + len(CLOSE) :]
    held = 0 if end else max(_begun(part, OPEN), _begun(part, CLOSE))
    return Shown(text + part[: len(part) - held], part[len(part) - held :], anew)


def _first(part: str) -> tuple[str, int] | None:
    found = [(at, tag) for tag in (OPEN, CLOSE) if (at := part.find(tag)) >= 0]
    return (min(found)[1], min(found)[0]) if found else None


def _begun(part: str, tag: str) -> int:
    """How many characters at the end may be the beginning of *tag*."""
    return next((size for size in range(len(tag) - 1, 0, -1) if part.endswith(tag[:size])), 0)
