"""What a stage is: a function from one event to a stream of events."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

import msgspec
from msgspec import Struct

from bus_schemas import Event, Step
from bus_schemas.events import MAX_STEPS

from .offers import Offer

# A stage handles its own kind of event; the worker only ever gives it that kind.
Handle = Callable[[Any], AsyncGenerator[Event, None]]
# Around the work on an event that has so many messages behind it: raises Busy when there is to be none, and gives
# whether some of those behind it will be turned away like that.
Admit = Callable[[Event, int], AbstractAsyncContextManager[bool]]


def everybody(_: Event, __: int) -> AbstractAsyncContextManager[bool]:
    """Admits every event."""
    return nullcontext(False)


class Stage(Struct, frozen=True):
    """A stage, ready to work. The worker knows nothing of audio, text or engines."""

    name: str
    stream: str
    """Where its work comes from; its consumer there has the stage's name."""
    handle: Handle
    credit: int
    """How many events it really works on at once."""
    probe: Callable[[], Awaitable[None]]
    """Return when the engine can work. Raises: Unavailable."""
    admit: Admit = everybody
    """Lets an event in, before any work on it. Raises: Busy."""
    runs: Mapping[str, str] = {}
    """What it runs, for people: `engine`, `model` and `device`. Never a secret."""
    offer: Offer | None = None
    """What it can be asked for, where that is a choice."""


def follow(output: Event, cause: Event, step: Step) -> Event:
    """*output* as a consequence of *cause*: the same turn, and one more step in its trail."""
    return msgspec.structs.replace(
        output,
        origin=cause.origin,
        session=cause.session,
        turn=cause.turn,
        run=cause.run,
        attempt=output.attempt or cause.attempt,
        language=output.language or cause.language,
        voice=output.voice or cause.voice,
        deadline=output.deadline or cause.deadline,
        trail=(*cause.trail, step)[-MAX_STEPS:],
    )
