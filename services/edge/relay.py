"""From the bus to a socket: the live events of a session, and those that it missed.

A core subscription hears an event as it is stored. What it did not hear (the broker was away, the client was too
slow) is in the stream of answers, and one batched direct get reads it by the same subject. Whoever takes the events
drops repeats.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
import structlog
from msgspec import Struct
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus_schemas import BadSubject, Event, NotAnEvent, codec
from services.runtime import streams
from services.runtime.bus import Bus
from services.runtime.errors import Unavailable
from services.runtime.heed import heed_cancel

PAGE_MESSAGES = 64
PAGE_BYTES = 8 * 1024 * 1024
"""A page ends with the message that goes beyond it."""
PAGE_SECONDS = 2.0
CLOCK_SECONDS = 10.0
"""What the edge takes for the broker's time may be ahead of it by so much: reading starts so much earlier."""
READS_AT_ONCE = 8
"""After a reconnect every session with an open turn reads; the broker gets them one after the other."""

NO_MESSAGE, END_OF_BATCH = "404", "204"

Deliver = Callable[[Event], None]
log = structlog.get_logger()


class Place(Struct, frozen=True):
    """Where reading starts: at a message of the stream, or, where none is known, at a time."""

    sequence: int = 0
    time: float = 0.0
    """Seconds since 1970, by the broker's clock."""


class _Page(Struct, frozen=True):
    messages: list[Msg]
    next: int
    """The sequence after the last message, also when none of them could be read; 0 when there was none."""
    pending: int


class Relay:
    """What all sockets of an edge share of the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._reading = asyncio.Semaphore(READS_AT_ONCE)

    @asynccontextmanager
    async def listen(self, subject: str, deliver: Deliver, missed: Callable[[], None]) -> AsyncIterator[None]:
        """Give every live event of *subject* to *deliver*; call *missed* when some may have been lost."""

        async def on_message(message: Msg) -> None:
            _deliver(deliver, message, message.subject)

        subscription = await self._bus.client.subscribe(subject, cb=on_message)
        self._bus.on_reconnect.append(missed)
        self._bus.on_slow.append(missed)
        try:
            yield
        finally:
            self._bus.on_reconnect.remove(missed)
            self._bus.on_slow.remove(missed)
            with contextlib.suppress(NatsError, ConnectionError):
                await subscription.unsubscribe()

    async def read(self, subject: str, start: Place, deliver: Deliver, stream: str = streams.ANSWER) -> Place:
        """Give every event of *subject* that *stream* has since *start* to *deliver*; returns where to go on.

        Raises: Unavailable when the broker does not answer.
        """
        async with self._reading:
            pending = 1
            while pending:
                page = await self._page(subject, start, stream)
                for message in page.messages:
                    headers = message.headers or {}
                    stored_ms = datetime.fromisoformat(headers["Nats-Time-Stamp"]).timestamp() * 1000
                    _deliver(deliver, message, headers["Nats-Subject"], int(headers["Nats-Sequence"]), round(stored_ms))
                pending = page.pending if page.next else 0
                start = Place(sequence=page.next) if page.next else start
        return start

    async def _page(self, subject: str, start: Place, stream: str) -> _Page:
        client, inbox = self._bus.client, self._bus.client.new_inbox()
        subscription = await client.subscribe(inbox)
        try:
            await client.publish(f"$JS.API.DIRECT.GET.{stream}", _request(subject, start), inbox)
            messages: list[Msg] = []
            async with asyncio.timeout(PAGE_SECONDS):
                while not _status(message := await subscription.next_msg(timeout=PAGE_SECONDS)):
                    if "Nats-Sequence" in (message.headers or {}):  # else its headers cannot be read: it is no event
                        messages.append(message)
        except (NatsError, TimeoutError, ConnectionError) as error:
            raise Unavailable(f"the broker did not give what {stream} has of {subject}: {error!r}") from error
        finally:
            with contextlib.suppress(NatsError, ConnectionError):
                await subscription.unsubscribe()
            heed_cancel()
        if _status(message) not in (NO_MESSAGE, END_OF_BATCH):
            raise Unavailable(f"the broker did not give what {stream} has of {subject}: {message.headers}")
        told = codec.plain(message.headers)
        last = int(told.get("Nats-Last-Sequence", 0)) if _status(message) == END_OF_BATCH else 0
        return _Page(messages, last + 1 if last else 0, int(told.get("Nats-Num-Pending", 0)))


def _request(subject: str, start: Place) -> bytes:
    at: dict[str, object] = {"seq": start.sequence} if start.sequence else {"start_time": _moment(start.time)}
    return msgspec.json.encode({**at, "next_by_subj": subject, "batch": PAGE_MESSAGES, "max_bytes": PAGE_BYTES})


def _moment(time: float) -> str:
    return datetime.fromtimestamp(time - CLOCK_SECONDS, UTC).isoformat().replace("+00:00", "Z")


def _status(message: Msg) -> str:
    """What the broker says of the batch; a stored message has none, whatever its sender wrote into its headers."""
    headers = codec.plain(message.headers)
    return "" if "Nats-Subject" in headers else headers.get("Status", "")


def _deliver(deliver: Deliver, message: Msg, subject: str, sequence: int = 0, time_ms: int = 0) -> None:
    try:
        event = codec.decode(subject, message.data, message.headers, sequence=sequence, time_ms=time_ms)
    except (BadSubject, NotAnEvent) as error:
        log.warning("event_rejected", subject=subject, error=str(error))
        return
    deliver(event)
