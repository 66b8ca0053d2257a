"""A dead letter's message on its way again: the same turn, as one more run of it."""

import re
from collections.abc import Mapping

from msgspec.structs import replace

from bus_schemas import BadSubject, Event, NotAnEvent, Utterance, codec
from bus_schemas.codec import Message
from bus_schemas.events import DEFAULT_TIMEOUT_MS

from . import streams
from .bus import Bus
from .dead import Letter
from .errors import VoicebusError

BROKERS_OWN = "nats-"
"""Headers that tell the broker something (an id, an expected sequence, a life): they were for the first time."""

_WORK = "|".join(event.NAME for event, stream in streams.STREAM_OF.items() if stream in streams.CONSUMERS)
_QUEUE = re.compile(rf"\Avoice\.({_WORK})(\.[^\s.*>\x00-\x20\x7f]+){{2}}\Z")
_LINE = re.compile(r"[\r\n\x00]")


class NotRequeued(VoicebusError):
    """The letter stays where it is; the text says why."""


def again(letter: Letter, now: float, timeout: float | None = None) -> Event:
    """The letter's event as the next run of its turn, with a fresh time-out.

    *now* is the broker's time, seconds since 1970. *timeout*, seconds: an utterance has its own where none is given,
    any other event the default.

    Raises: NotRequeued when the message was never one of a work queue's events.
    """
    dead = letter.dead
    _in_a_queue(letter)
    try:
        event = codec.decode(dead.subject, dead.body, dead.headers)
    except (BadSubject, NotAnEvent) as error:
        raise NotRequeued(
            f"letter {letter.number} is no event and would be refused again ({error}); "
            "--as-it-is puts it back byte for byte"
        ) from error
    event = replace(event, turn=event.turn or dead.turn, run=max(event.run, dead.run) + 1)
    milliseconds = round(timeout * 1000) if timeout else 0
    if isinstance(event, Utterance):
        return replace(event, deadline=0, timeout_ms=milliseconds or event.timeout_ms)
    return replace(event, deadline=round(now * 1000) + (milliseconds or DEFAULT_TIMEOUT_MS))


def written(letter: Letter, event: Event) -> Message:
    """*event* with the headers that its publisher had put beside it.

    Raises: NotRequeued when it has become too long for a message.
    """
    try:
        message = codec.encode(event)
    except NotAnEvent as error:
        raise NotRequeued(f"letter {letter.number} cannot be written again: {error}") from error
    return Message(message.subject, message.payload, {**_headers(letter), **message.headers})


def as_it_is(letter: Letter) -> Message:
    """The very message, without the headers that were for the broker. Raises: NotRequeued."""
    _in_a_queue(letter)
    return Message(letter.dead.subject, letter.dead.body, _headers(letter))


async def requeue(bus: Bus, letter: Letter, message: Message) -> None:
    """Put a letter's message back and wait until it is stored.

    Raises: NotRequeued when the broker has it already; QueueFull; Unavailable; Refused.
    """
    if not await bus.store(message):
        raise NotRequeued(
            f"letter {letter.number} was requeued within the last two minutes ({message.headers[codec.MESSAGE_ID]}); "
            "should that run have failed too, it has a letter of its own"
        )


def _in_a_queue(letter: Letter) -> None:
    """A letter is data that others wrote: it must not make an operator publish anywhere else."""
    if not _QUEUE.match(letter.dead.subject):
        raise NotRequeued(
            f"letter {letter.number} was published on {letter.dead.subject!r}, which is no queue of voicebus: "
            "it can only be shown and dropped"
        )


def _headers(letter: Letter) -> Mapping[str, str]:
    headers = {name: text for name, text in letter.dead.headers.items() if not name.lower().startswith(BROKERS_OWN)}
    if any(_LINE.search(part) for pair in headers.items() for part in pair):
        raise NotRequeued(f"letter {letter.number} has a header with a line break in it, which no message had")
    return headers
