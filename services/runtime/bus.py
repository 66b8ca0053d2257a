"""The connection to NATS, with the watchdogs that its client lacks."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import TypeVar

import msgspec
import structlog
from msgspec import Struct
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import SlowConsumerError
from nats.js import JetStreamContext
from nats.js.errors import APIError, NoStreamResponseError

from bus_schemas import Event, codec, codes
from bus_schemas.codec import Message

from . import access, metrics, nats_reader, reading, tracing
from .access import BusSettings as BusSettings
from .confirm import Confirmations
from .errors import BusLost, QueueFull, Refused, StartError, Unavailable
from .heed import heed_cancel
from .sightings import Sightings
from .watch import abort, address, forget_callbacks, watch

PUBLISH_SECONDS = 5.0
ABANDON_SECONDS = 1.0
SILENT_SECONDS = 2.0
"""A broker that confirms nothing for so long, and is connected, may store nothing."""
UNCONFIRMED_SECONDS = 60.0
"""A message that was not confirmed says nothing of its stream any more after so long."""
SKEW_SECONDS = 2.0
"""A deadline is made from the broker's clock: a machine this far off would drop turns too early or too late."""
ASK_FOR_THE_TIME = "$JS.API.STREAM.INFO.VOICE_ANSWER"
"""Any answer will do, that there is no such stream as well: since NATS 2.10 it carries the broker's time."""
HEADER_FRAME = 64
"""What NATS writes around headers, and some room."""
STREAM_IS_FULL = 10077
TOO_LARGE = (10054, 10097)
"""A message over its stream's `max_msg_size`, and headers over 64 KiB."""

T = TypeVar("T")

log = structlog.get_logger()


class _Told(Struct, frozen=True):
    ts: datetime | None = None


class Bus:
    """A live connection; made by `connect`."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.jetstream: JetStreamContext = client.jetstream(timeout=PUBLISH_SECONDS)
        self._confirmations = Confirmations(client)
        self.skew = 0.0
        """Seconds that the broker's clock is ahead of this machine's."""
        self.last_error = ""
        """What the client complained of last."""
        self.trouble = ""
        """Why the broker cannot be used now; empty when it answers."""
        self._unconfirmed: dict[str, float] = {}
        """Streams that did not confirm their latest message, by event name, and when that was (monotonic seconds)."""
        self.on_reconnect: list[Callable[[], None]] = [
            metrics.RECONNECTS.inc,
            self._confirmations.renewed,
            self._unconfirmed.clear,
        ]
        self.on_slow: list[Callable[[], None]] = [metrics.DROPS.inc]
        """Called when the client had to drop messages: what was missed is in the streams."""
        self.sightings = Sightings()
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def publish(self, event: Event) -> None:
        """Store one event; repeating it is safe, the broker knows it by its id.

        Raises: QueueFull; Refused when the broker takes no message so large; Unavailable when the broker is away,
        did not answer within PUBLISH_SECONDS, or was connected to anew meanwhile.
        """
        with tracing.publishing(codec.encode(event)) as message:
            await self.store(message)

    async def store(self, message: Message) -> bool:
        """Store one message as it stands; False when the broker had it already, by its id. Raises: as `publish`."""
        if not self.client.is_connected:
            raise Unavailable("the broker is away; the connection is being made again")
        self._check_size(message)
        began = time.monotonic()
        try:
            stored = await self._confirmations.publish(
                message.subject, message.payload, message.headers, PUBLISH_SECONDS
            )
        except NoStreamResponseError as error:
            raise Unavailable(f"no stream takes {message.subject}; run `voicebus setup`") from error
        except APIError as error:
            if error.err_code == STREAM_IS_FULL:
                raise QueueFull(f"{message.subject}: {error.description}") from error
            if error.err_code in TOO_LARGE:
                raise Refused(codes.TOO_LARGE, f"the stream does not take it: {error.description}") from error
            raise Unavailable(f"the broker refused {message.subject}: {error.description}") from error
        except (NatsError, TimeoutError, ConnectionError, msgspec.DecodeError) as error:
            self._miss(message)
            raise Unavailable(f"the broker did not confirm {message.subject}: {error!r}") from error
        except asyncio.CancelledError:
            if time.monotonic() - began > SILENT_SECONDS:  # who publishes waits for less than we do
                self._miss(message)
            raise
        finally:
            heed_cancel()
        if self._unconfirmed:
            self._unconfirmed.pop(_kind(message.subject), None)
        return not stored.duplicate

    def _miss(self, message: Message) -> None:
        """The broker, which is connected, did not confirm a message."""
        if self.client.is_connected:
            self._unconfirmed[_kind(message.subject)] = time.monotonic()

    @property
    def stuck(self) -> str:
        """Which streams take nothing while the broker answers; empty when none is known.

        A broker with a full disk does so until it is restarted, which ends this connection. Where another one takes
        the stream over, the next message is confirmed. UNCONFIRMED_SECONDS later nothing is known any more.
        """
        oldest = time.monotonic() - UNCONFIRMED_SECONDS
        names = sorted(name for name, at in self._unconfirmed.items() if at > oldest)
        if not names:
            return ""
        return (
            f"the broker answers, and stores nothing on {', '.join(f'voice.{name}.*' for name in names)}: "
            "has its disk room? Free some, then restart the broker"
        )

    def _check_size(self, message: Message) -> None:
        """The broker counts the headers too, and closes the connection of who sends it more than it takes."""
        headers = sum(len(name) + len(value) + len(": \r\n") for name, value in message.headers.items())
        size, limit = len(message.payload) + headers + HEADER_FRAME, self.client.max_payload
        if size > limit:
            raise Refused(
                codes.TOO_LARGE, f"{size} bytes are more than the {limit} that this broker takes (max_payload)"
            )

    async def tell(self, event: Event) -> None:
        """Publish one event that nobody stores; whoever listens now hears it."""
        message = codec.encode(event)
        with contextlib.suppress(NatsError, ConnectionError):
            await self.client.publish(message.subject, message.payload)

    async def check(self) -> None:
        """One round trip to JetStream, which tells its time too. Raises: Unavailable."""
        before = time.time()
        try:
            answer = await self.client.request(ASK_FOR_THE_TIME, timeout=PUBLISH_SECONDS)
            there = msgspec.json.decode(answer.data, type=_Told).ts
        except (NatsError, TimeoutError, ConnectionError, msgspec.DecodeError) as error:
            raise Unavailable(f"JetStream does not answer at {address(self.client)}: {error!r}") from error
        self.skew = there.timestamp() - (before + time.time()) / 2 if there else 0.0

    def time(self) -> float:
        """Now by the broker's clock, seconds since 1970: deadlines are made from it."""
        return time.time() + self.skew

    @property
    def clock(self) -> str:
        """What is wrong with this machine's clock beside the broker's; empty when they agree."""
        if abs(self.skew) <= SKEW_SECONDS:
            return ""
        side = "ahead of" if self.skew > 0 else "behind"
        return f"the broker's clock is {abs(self.skew):.1f} s {side} this machine's: set both by NTP"

    async def lost(self) -> None:
        """Wait until the connection is of no more use. Raises: BusLost."""
        await asyncio.shield(self._lost)

    async def unless_lost(self, work: Awaitable[T]) -> T:
        """What *work* gives; ended when the connection is of no more use, so that nobody waits for what is forbidden.

        Raises: BusLost.
        """
        task = asyncio.ensure_future(work)
        first: set[asyncio.Future[T] | asyncio.Future[None]] = {task, self._lost}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self._lost.result()
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def lose(self, reason: str) -> None:
        """Give the connection up; `lost` raises."""
        if not self._lost.done():
            self._lost.set_exception(BusLost(reason))
            self._lost.exception()  # a Bus that nobody waits for any more must not warn


def _kind(subject: str) -> str:
    """The event's name in a subject, which says the stream."""
    return subject.split(".")[1] if "." in subject else subject


@asynccontextmanager
async def connect(settings: BusSettings, name: str, *, no_echo: bool = False) -> AsyncIterator[Bus]:
    """Connect to the broker and watch the connection.

    *name* is what the broker shows; *no_echo* keeps what this connection publishes from its own subscriptions.

    Raises: StartError when the broker is not there within `nats_connect_seconds`, or lets us not in; SettingsError.
    """
    reading.in_large_pieces()
    client = Client()
    bus = Bus(client)
    nats_reader.mend(client, partial(bus.lose, "the client has stopped reading what the broker sends"))
    await _open(client, bus, settings, name, no_echo)
    watching = asyncio.create_task(watch(bus, settings.nats_health_url), name="bus-watch")
    watching.add_done_callback(partial(_unwatched, bus))
    try:
        yield bus
    finally:
        watching.cancel()
        forget_callbacks(client)
        await asyncio.gather(watching, return_exceptions=True)
        await _close(client)


def _unwatched(bus: Bus, watching: asyncio.Task[None]) -> None:
    if not watching.cancelled():
        bus.lose(f"nobody watches the connection any more: {watching.exception()!r}")


async def _open(client: Client, bus: Bus, settings: BusSettings, name: str, no_echo: bool) -> None:
    try:
        async with asyncio.timeout(settings.nats_connect_seconds):
            await _dial(client, bus, settings, name, no_echo)
    except StartError:
        await _abandon(client)
        raise
    except (TimeoutError, NatsError, OSError, ValueError) as error:
        await _abandon(client)
        reason = bus.last_error if isinstance(error, TimeoutError) else str(error)
        why = f" ({reason})" if reason else ""
        raise StartError(
            f"no broker answers at {access.shown(settings)} within {settings.nats_connect_seconds:g} s{why}; "
            "start NATS there, or set NATS_URL"
        ) from error


async def _close(client: Client) -> None:
    """Send what waits, and close."""
    with contextlib.suppress(NatsError, TimeoutError, OSError):
        await client.flush(timeout=2)
    with contextlib.suppress(NatsError, TimeoutError, OSError):
        async with asyncio.timeout(PUBLISH_SECONDS):
            await client.close()
    for subscription in client._subs.values():  # where the broker is away, the client stops halfway
        subscription._stop_processing()
    if client._subs and client._transport is not None:
        abort(client._transport)


async def _abandon(client: Client) -> None:
    forget_callbacks(client)
    with contextlib.suppress(NatsError, TimeoutError, OSError):
        async with asyncio.timeout(ABANDON_SECONDS):  # after a failed handshake the client waits for ever
            await client.close()
    if client._transport is not None:
        abort(client._transport)


async def _dial(client: Client, bus: Bus, settings: BusSettings, name: str, no_echo: bool) -> None:
    seed, encryption = await _credentials(client, settings)
    who, opening = access.identity(settings), True

    async def on_error(error: Exception) -> None:
        _on_error(bus, error, access.refusal(error, settings), opening)

    async def on_disconnect() -> None:
        log.warning("bus_disconnected", name=name)
        bus._confirmations.ended()

    async def on_reconnect() -> None:
        log.info("bus_reconnected", name=name)
        for call in bus.on_reconnect:
            call()

    async def on_close() -> None:
        bus.lose("the connection to the broker was closed for good")

    await client.connect(
        servers=access.servers(settings),
        name=name,
        no_echo=no_echo,
        user=who.user or None,
        password=who.password or None,
        token=who.token or None,
        nkeys_seed_str=seed,
        inbox_prefix=access.inbox(settings),
        tls=encryption,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.5,  # type: ignore[arg-type]  # seconds, and a fraction works
        ping_interval=5,
        max_outstanding_pings=2,
        pending_size=16 * 1024 * 1024,
        error_cb=on_error,
        disconnected_cb=on_disconnect,
        reconnected_cb=on_reconnect,
        closed_cb=on_close,
    )
    opening = False


async def _credentials(client: Client, settings: BusSettings) -> tuple[str | None, ssl.SSLContext | None]:
    seed = await asyncio.to_thread(access.nkey_seed, settings)
    encryption = await asyncio.to_thread(access.encryption, settings)
    if encryption is not None:
        access.never_in_the_clear(client)
    return seed, encryption


def _on_error(bus: Bus, error: Exception, refusal: str, opening: bool) -> None:
    bus.last_error = str(error)
    if refusal and opening:
        raise StartError(refusal)  # the client passes it on to who connects, and only then
    if refusal:
        bus.lose(refusal)
    elif isinstance(error, SlowConsumerError):
        log.warning("bus_slow_consumer", subject=error.subject)
        for call in bus.on_slow:
            call()
    elif bus.client.is_connected:
        log.warning("bus_error", error=repr(error))
    else:
        log.debug("bus_error", error=repr(error))
