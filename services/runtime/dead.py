"""What is in VOICE_DEAD: finding letters, reading one, taking one away.

Letters are searched by their headers alone, which the broker sends without the bodies; a body is read for one letter
at a time. The consumer that reads the headers is taken away again.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from msgspec import Struct
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError
from nats.js.errors import Error as JetStreamError

from bus_schemas import BadSubject, Dead, NotAnEvent, codec, codes

from . import streams
from .bus import Bus
from .errors import Unavailable, VoicebusError

READ_SECONDS = 5.0
ANY = "*"
SIZE = "Nats-Msg-Size"
GONE = (10037, 10057)
"""No message of this number: taken away, or too old."""
AWAY = (NatsError, JetStreamError, TimeoutError, ConnectionError)


class NoLetter(VoicebusError):
    """There is no dead letter of this number."""


class Letter(Struct, frozen=True):
    """One dead letter."""

    number: int
    """Its sequence in VOICE_DEAD: how an operator names it."""
    at: datetime
    """When it was stored."""
    size: int
    """Of the original message, bytes."""
    dead: Dead
    """Its body is empty where letters were searched."""


class Wanted(Struct, frozen=True):
    """Which letters; what is empty asks for nothing."""

    stage: str = ""
    code: str = ""
    """A code, or the part before its dot: `refused` is every refusal."""
    origin: str = ""
    session: str = ""
    turn: str = ""
    since: datetime | None = None


async def letters(bus: Bus, wanted: Wanted) -> AsyncGenerator[Letter, None]:
    """Every letter that is wanted, the oldest first, without its body.

    Raises: Unavailable when the broker does not answer, or has no VOICE_DEAD.
    """
    subject = f"voice.{Dead.NAME}.{wanted.origin or ANY}.{wanted.session or ANY}"
    with _told():
        async with _headers(bus, subject) as subscription:
            told = await subscription.consumer_info()
            left = (told.num_pending or 0) + (told.delivered.consumer_seq if told.delivered else 0)
            while left:
                try:
                    message = await subscription.next_msg(timeout=READ_SECONDS)
                except NatsTimeout:
                    if (await subscription.consumer_info()).num_pending:
                        raise
                    return  # somebody took the last ones away meanwhile
                left = message.metadata.num_pending
                letter = _of(message)
                if _is(letter, wanted):
                    yield letter


async def letter(bus: Bus, number: int) -> Letter:
    """One letter with the original message.

    Raises: NoLetter; Unavailable.
    """
    with _told():
        try:
            found = await bus.jetstream.get_msg(streams.DEAD, seq=number, direct=True)
        except NotFoundError as error:
            raise NoLetter(f"there is no dead letter {number}; `voicebus dead list` shows those there are") from error
    body = found.data or b""
    dead = _read(str(found.subject), body, found.headers)
    return Letter(number, found.time or datetime.fromtimestamp(0, UTC), len(body), dead)


async def remove(bus: Bus, number: int) -> None:
    """Take a letter away; nothing happens when it has gone already. Raises: Unavailable."""
    with _told():
        try:
            await bus.jetstream.delete_msg(streams.DEAD, number)
        except APIError as error:
            if error.err_code not in GONE:
                raise


@asynccontextmanager
async def _headers(bus: Bus, subject: str) -> AsyncIterator[JetStreamContext.PushSubscription]:
    subscription = await bus.jetstream.subscribe(
        subject,
        stream=streams.DEAD,
        ordered_consumer=True,
        headers_only=True,
        inactive_threshold=READ_SECONDS,
    )
    consumer = (await subscription.consumer_info()).name
    try:
        yield subscription
    finally:
        with contextlib.suppress(*AWAY):
            await subscription.unsubscribe()
            await bus.jetstream.delete_consumer(streams.DEAD, consumer)


def _of(message: Msg) -> Letter:
    told, size = message.metadata, codec.plain(message.headers).get(SIZE, "0")
    dead = _read(message.subject, b"", message.headers)
    return Letter(told.sequence.stream, told.timestamp, int(size), dead)


def _read(subject: str, body: bytes, headers: codec.Headers | None) -> Dead:
    """The letter; one that cannot be read says so as its reason, and can still be shown and dropped."""
    try:
        event = codec.decode(subject, body, headers)
        assert isinstance(event, Dead)
        return event
    except (BadSubject, NotAnEvent) as error:
        _, _, origin, session = [*subject.split("."), "", "", ""][:4]
        reason = f"this letter cannot be read: {error}"
        return Dead(
            origin=origin,
            session=session,
            stage="",
            code=codes.NOT_AN_EVENT,
            reason=reason,
            subject=subject,
            sequence=0,
            deliveries=0,
            body=body,
        )


def _is(letter: Letter, wanted: Wanted) -> bool:
    dead = letter.dead
    return (
        wanted.stage in ("", dead.stage)
        and (wanted.code in ("", dead.code) or dead.code.startswith(f"{wanted.code}."))
        and wanted.turn in ("", dead.turn)
        and (wanted.since is None or letter.at >= wanted.since)
    )


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What the client raises, as a sentence."""
    try:
        yield
    except (NotFoundError, NoRespondersError) as error:
        raise Unavailable(f"the broker has no {streams.DEAD}; run `voicebus setup`") from error
    except AWAY as error:
        raise Unavailable(f"the broker did not answer for {streams.DEAD}: {error!r}") from error
