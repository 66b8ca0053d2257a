"""What is in VOICE_DEAD: finding letters, reading one, taking one away.

Letters are searched by their headers alone, which the broker sends without the bodies; a body is read for one letter
at a time. The consumer that reads the headers is taken away again.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

from msgspec import Struct
from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg
from nats.js.errors import APIError, NotFoundError

from bus_schemas import BadSubject, Dead, NotAnEvent, codec, codes

from . import browse, streams
from .bus import Bus
from .errors import VoicebusError

ANY = "*"
GONE = (10037, 10057)
"""No message of this number: taken away, or too old."""


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
    with browse.told(streams.DEAD):
        async with aclosing(browse.messages(bus, streams.DEAD, [subject], headers_only=True)) as found:
            async for message in found:
                letter = _of(message)
                if _is(letter, wanted):
                    yield letter


async def letter(bus: Bus, number: int) -> Letter:
    """One letter with the original message.

    Raises: NoLetter; Unavailable.
    """
    with browse.told(streams.DEAD):
        try:
            found = await _stored(bus, number)
        except NotFoundError as error:
            raise NoLetter(f"there is no dead letter {number}; `voicebus dead list` shows those there are") from error
    body = found.data or b""
    dead = _read(str(found.subject), body, found.headers)
    return Letter(number, found.time or datetime.fromtimestamp(0, UTC), len(body), dead)


async def remove(bus: Bus, number: int) -> None:
    """Take a letter away; nothing happens when it has gone already. Raises: Unavailable."""
    with browse.told(streams.DEAD):
        try:
            await bus.jetstream.delete_msg(streams.DEAD, number)
        except APIError as error:
            if error.err_code not in GONE:
                raise


async def _stored(bus: Bus, number: int) -> RawStreamMsg:
    """One message as it stands; as JSON, a third longer, where the broker's own headers cannot be read in it."""
    try:
        return await bus.jetstream.get_msg(streams.DEAD, seq=number, direct=True)
    except KeyError:  # nats-py looks for them
        return await bus.jetstream.get_msg(streams.DEAD, seq=number)


def _of(message: Msg) -> Letter:
    told, size = message.metadata, codec.plain(message.headers).get(browse.SIZE, "0")
    dead = _read(message.subject, b"", message.headers)
    return Letter(told.sequence.stream, told.timestamp, int(size) if size.isdecimal() else 0, dead)


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
