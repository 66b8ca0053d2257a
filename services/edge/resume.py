"""What is left on the bus of a turn whose client came back."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct

from bus_schemas import Event, Speech, names, subjects
from services.runtime import backlog, streams
from services.runtime.bus import Bus

from .relay import Place, Relay

ON_ITS_WAY = (streams.UTTERANCE, streams.TRANSCRIPT, streams.SENTENCE, streams.ANSWER)
"""In the order in which a turn moves: each step is stored before the one it came from is removed, so that a turn that
moves on while it is looked for is found further on."""
SECOND_LOOK_SECONDS = 0.5
"""On a cluster another copy of the stream may answer, which is a little behind."""


class Found(Struct, frozen=True):
    """What the broker has of a turn."""

    events: tuple[Event, ...]
    """Those of its newest run, in the order in which they were stored. Empty: the turn is not known, or no more."""
    deadline: float
    """When it is too late, seconds since 1970; 0 when nothing says so."""
    answers: Place
    """Where the next reading of answers starts."""


async def find(relay: Relay, origin: str, session: str, turn: str) -> Found:
    """Read everything of a turn, twice when there is nothing.

    Raises: Unavailable when the broker does not answer.
    """
    found = await _look(relay, origin, session, turn)
    if not found.events:
        await asyncio.sleep(SECOND_LOOK_SECONDS)
        found = await _look(relay, origin, session, turn)
    return found


async def _look(relay: Relay, origin: str, session: str, turn: str) -> Found:
    events: list[Event] = []

    def keep(event: Event) -> None:
        if event.turn == turn:
            events.append(event)

    place = start = Place(sequence=1)
    for stream in ON_ITS_WAY:
        place = await relay.read(subjects.conversation(origin, session), start, keep, stream)
    run = max((event.run for event in events), default=0)
    newest = tuple(event for event in events if event.run == run)
    told = [event.deadline / 1000 for event in newest if event.deadline]
    return Found(newest, min(told, default=0.0), place)


async def without_beginning(bus: Bus, turn: str, events: Sequence[Event]) -> bool:
    """Whether the first piece of a turn's newest answer has left VOICE_ANSWER already, and others have not.

    Pieces leave it oldest first. Of a turn that is younger than they are kept the first may only be late. Nothing is
    known of a turn that no edge named. Raises: Unavailable.
    """
    pieces = [event for event in events if isinstance(event, Speech)]
    newest = max((piece.attempt for piece in pieces), default="")
    mine = [piece for piece in pieces if piece.attempt == newest]
    asked = names.made_at(turn)
    if not mine or asked is None or any((piece.n, piece.piece) == (0, 0) for piece in mine):
        return False
    return bus.time() - asked > await backlog.kept_seconds(bus, streams.ANSWER)
