"""What is on record: the events of turns in VOICE_LOG, as `turns`, `show` and `replay` read them.

Sound is left out of a search, which then stays quick, and is read for one event at a time.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime, timedelta

from msgspec import Struct
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from bus_schemas import BadSubject, Cancel, Event, Speech, Utterance, codec, subjects
from bus_schemas.events import EVENTS, MAX_TIMEOUT_MS
from services.runtime import browse, streams
from services.runtime.bus import Bus
from services.runtime.errors import SettingsError, StartError

from . import console

OFF = "set VOICEBUS_RECORD=1 and run `voicebus setup` (`voicebus up` does that too), and ask again"
ANY = "*"
SOUNDS = (Utterance, Speech)
COPY = f"{streams.RECORD}."


class Recorded(Struct, frozen=True):
    """One event on record."""

    number: int
    """Its sequence in VOICE_LOG."""
    at: float
    """When it was stored in its own stream, seconds since 1970 by the broker's clock."""
    size: int
    """Of its payload, bytes."""
    event: Event
    """Without its sound."""


class Wanted(Struct, frozen=True):
    """Whose turns, and since when; what is empty asks for nothing."""

    origin: str = ""
    session: str = ""
    since: datetime | None = None


async def events(bus: Bus, wanted: Wanted) -> list[Recorded]:
    """Every event on record that is wanted, as they were stored; those of a turn that began before `since` as well.

    Raises: StartError when nothing was ever recorded there; SettingsError; Unavailable.
    """
    await _look(bus)
    since = wanted.since and wanted.since - timedelta(milliseconds=MAX_TIMEOUT_MS)
    found: list[Recorded] = []
    for headers_only in (True, False):
        kinds = [kind for kind in EVENTS if (kind in SOUNDS) == headers_only]
        names = [_subject(kind, wanted) for kind in kinds]
        with browse.told(streams.LOG):
            async with aclosing(
                browse.messages(bus, streams.LOG, names, headers_only=headers_only, since=since)
            ) as messages:
                found += [event async for event in _read(messages)]
    return sorted(found, key=lambda recorded: recorded.number)


async def sound(bus: Bus, recorded: Recorded) -> bytes:
    """The WAV of one event; empty when it has left the record meanwhile. Raises: Unavailable."""
    with browse.told(streams.LOG):
        try:
            return (await bus.jetstream.get_msg(streams.LOG, seq=recorded.number, direct=True)).data or b""
        except NotFoundError:
            return b""


async def _look(bus: Bus) -> None:
    """Whether there is a record; when nothing comes to it any more a person is told."""
    with browse.told(streams.LOG):
        try:
            log = (await bus.jetstream.stream_info(streams.LOG)).config
        except NotFoundError as error:
            raise StartError(f"the record is off: this broker has no {streams.LOG}; {OFF}") from error
    if log.subjects == [streams.RECORDED]:
        console.say(f"the record is off, and this is what it has from before; to go on recording {OFF}")


def _subject(kind: type[Event], wanted: Wanted) -> str:
    try:
        origin = subjects.token(wanted.origin, "--origin") if wanted.origin else ANY
        session = subjects.token(wanted.session, "--session") if wanted.session else ANY
    except BadSubject as error:
        raise SettingsError(str(error)) from error
    place = f"{subjects.ROOT}.{kind.NAME}.{origin}.{session}"
    return place if kind is Cancel else f"{COPY}{place}"


async def _read(messages: AsyncIterator[Msg]) -> AsyncIterator[Recorded]:
    async for message in messages:
        try:
            yield _of(message)
        except (KeyError, ValueError):  # BadSubject, NotAnEvent, and headers that the broker could not add its own to
            continue  # an outsider's; its dead letter is on record too


def _of(message: Msg) -> Recorded:
    """The event, its turn named as it was: the broker says of a copy where, and when, its original was stored."""
    headers, number, at = codec.plain(message.headers), 0, message.metadata.timestamp
    if message.subject.startswith(COPY):
        number, at = int(headers["Nats-Sequence"]), datetime.fromisoformat(headers["Nats-Time-Stamp"])
    subject, seconds = message.subject.removeprefix(COPY), at.timestamp()
    event = codec.decode(subject, message.data, message.headers, sequence=number, time_ms=round(seconds * 1000))
    size = int(headers.get(browse.SIZE, len(message.data)))
    return Recorded(message.metadata.sequence.stream, seconds, size, event)
