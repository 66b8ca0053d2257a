"""A credit-based pull consumer: it never holds more messages than its owner can work on.

nats-py's `fetch` stalls after a time-out and sleeps through a broker's restart (nats.py issues 986 and 504). This loop
keeps requests outstanding, as the other NATS clients do (ADR-37): one inbox, and a new one whenever the old requests
may be lost, so that nothing is asked twice.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import msgspec
import structlog
from msgspec import Struct
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from bus_schemas import codec

from .bus import Bus

EXPIRES_SECONDS = 30.0
HEARTBEAT_SECONDS = 5.0
AHEAD = 16
"""Messages beyond the credit, while what comes is settled without work."""
AHEAD_EXPIRES_SECONDS = 0.5
"""What is asked for beyond the credit is for now: it must not be given later, when it would only wait here."""
STOP_SECONDS = 1.0
NOBODY_SECONDS = 0.5
"""Between two requests to a consumer that is not there."""

log = structlog.get_logger()


class _Request(Struct, frozen=True):
    batch: int
    expires: int
    idle_heartbeat: int


class Pull:
    """`async with Pull(...)`: each message goes to *take*, which must call `release` once when it is settled."""

    def __init__(self, bus: Bus, stream: str, consumer: str, credit: int, take: Callable[[Msg], None]) -> None:
        self._bus = bus
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._credit = credit
        self._ahead = 0
        self._careful = False
        self._take = take
        self._asked = 0
        self._held = 0
        self._heard = time.monotonic()
        self._paused = False
        self._stopped = False
        self._wake = asyncio.Event()
        self._stale = False
        self._inbox = ""
        self._subscription: Subscription | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.reachable = True
        """Whether the consumer exists, as far as the last request told."""

    async def __aenter__(self) -> Self:
        self._bus.on_reconnect.append(self._renew)
        self._keeper = asyncio.create_task(self._keep(), name=f"pull {self._subject}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._bus.on_reconnect.remove(self._renew)
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self._leave()

    async def stop(self) -> None:
        """Ask for no more; what is on its way already is still taken."""
        self._stopped = True
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(NatsError, ConnectionError, TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    await subscription.drain()  # type: ignore[no-untyped-call]

    def pause(self, paused: bool) -> None:
        """Stop or go on asking for messages; those on their way are still taken."""
        self._paused = paused
        self._wake.set()

    def give_credit(self, credit: int) -> None:
        """Set how many messages may be held at once, and, for now, none beyond them."""
        self._credit, self._ahead, self._careful = credit, 0, False
        if self._wants():
            self._wake.set()

    def go_carefully(self) -> None:
        """Hold one message at a time, also in a hurry, until a credit is given."""
        self._credit, self._ahead, self._careful = 1, 0, True

    def hurry(self, hurry: bool) -> None:
        """Set whether more than the credit is held, because what comes costs no work."""
        ahead, self._ahead = self._ahead, AHEAD if hurry and not self._careful else 0
        if ahead < self._ahead:
            self._wake.set()

    def release(self) -> None:
        """One message that was taken is settled."""
        self._held -= 1
        if self._wants():
            self._wake.set()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """While a message that was taken waits for something else than work, another one may have its place."""
        self.release()
        try:
            yield
        finally:
            self._held += 1

    async def _keep(self) -> None:
        """The one place that asks, so that requests never overlap."""
        while True:
            try:
                await self._refill()
            except (NatsError, ConnectionError) as error:
                log.debug("pull_failed", error=repr(error))
            self._wake.clear()
            asked = self._asked
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS / 2 if self.reachable else NOBODY_SECONDS):
                    await self._wake.wait()
            self.reachable = self.reachable or 0 < asked == self._asked  # nobody has refused the last request

    async def _refill(self) -> None:
        if not self._bus.client.is_connected or self._paused or self._stopped:
            return
        if self._silent() or self._stale or self._subscription is None:
            await self._new_inbox()
        if self._wants() and self._subscription is not None:
            want = self._credit + self._ahead - self._asked - self._held
            request = _Request(want, int(EXPIRES_SECONDS * 1e9), int(HEARTBEAT_SECONDS * 1e9))
            if self._ahead:
                request = _Request(want, int(AHEAD_EXPIRES_SECONDS * 1e9), int(AHEAD_EXPIRES_SECONDS * 1e9 / 4))
            self._asked += want
            await self._bus.client.publish(self._subject, msgspec.json.encode(request), self._subscription.subject)

    def _wants(self) -> bool:
        """Whether another request is worth its cost: for half the credit, or when nothing is asked for any more."""
        most = self._credit + self._ahead
        want = most - self._asked - self._held
        return want >= max(1, most // 2) if self._asked else want > 0

    def _silent(self) -> bool:
        return self._asked > 0 and time.monotonic() - self._heard > 2 * HEARTBEAT_SECONDS

    def _renew(self) -> None:
        self._stale = True
        self._wake.set()

    async def _new_inbox(self) -> None:
        """Requests whose inbox nobody listens to any more are void at the broker: nothing is asked twice."""
        await self._leave()
        self._asked, self._stale, self._heard = 0, False, time.monotonic()
        self._inbox = self._bus.client.new_inbox()
        self._subscription = await self._bus.client.subscribe(self._inbox, cb=self._on_message, pending_bytes_limit=0)
        if self._stopped:  # meanwhile: an inbox made too late must not live on
            await self._leave()

    async def _leave(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            with contextlib.suppress(NatsError, ConnectionError):
                await subscription.unsubscribe()

    async def _on_message(self, message: Msg) -> None:
        self._heard = time.monotonic()
        if message.subject.startswith(self._inbox):  # the broker speaks of a request; headers alone could be a sender's
            self._on_status(codec.plain(message.headers))
            return
        self.reachable = True
        self._asked = max(0, self._asked - 1)
        self._held += 1
        self._take(message)

    def _on_status(self, headers: dict[str, str]) -> None:
        """100 is a heartbeat; all else ends a request."""
        status = headers.get("Status", "")
        if status == "100":
            return
        left = headers.get("Nats-Pending-Messages", "")
        self._asked = max(0, self._asked - int(left)) if left.isdigit() else 0
        self.reachable = status != "503"
        if self.reachable:
            self._wake.set()
