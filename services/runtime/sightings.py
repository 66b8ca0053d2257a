"""Where turns are seen, told to whoever watches: who asked, which stage, when, how it ended; no word and no sound.

Services tell nothing while nobody watches. A watcher says `voicewatch.wanted` every few seconds; who hears it tells
what is open, and then each step as it happens, on `voicewatch.<service>.<origin>.<session>`. It is told by a task of
its own from a bounded line: work never waits for it, and a sighting may be lost.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus_schemas import Event, Sentence

ROOT = "voicewatch"
WANTED = f"{ROOT}.wanted"
EVERY = f"{ROOT}.*.*.*"
ASKED, STARTED = "asked", "started"
LEASE_SECONDS = 5.0
"""So long after the last `wanted` a service goes on telling."""
MOST_UNTOLD = 1024
"""Sightings that wait to be sent; the oldest are forgotten."""


class Sighting(Struct, frozen=True, omit_defaults=True):
    """One step of one turn. Nothing of it was said by anybody."""

    service: str
    """`edge`, or the stage."""
    what: str
    """`asked`, `started`, or how it ended: a word of `voicebus_events_total` or `voicebus_turns_total`."""
    at: float
    """Seconds since 1970, by the broker's clock."""
    origin: str
    session: str
    turn: str
    run: int = 0
    worker: str = ""
    queue_ms: float = 0.0
    """With `started`: from the broker's timestamp to the worker's hands."""
    n: int = 0
    """Which sentence."""
    last: bool = False
    """It is the last sentence."""
    code: str = ""
    stage: str = ""
    """Which stage failed, where the edge says so."""


class Wanted(Struct, frozen=True, omit_defaults=True):
    """Somebody watches."""

    fresh: bool = False
    """It has just begun: tell what is open as well."""


See = Callable[[], Sighting]


def of(event: Event, service: str, what: str, at: float, worker: str = "", queue_ms: float = 0.0) -> Sighting:
    """*event*, seen at a time of the broker's."""
    n, last = (event.n, event.last) if isinstance(event, Sentence) else (0, False)
    return Sighting(service, what, at, event.origin, event.session, event.turn, event.run, worker, queue_ms, n, last)


class Sightings:
    """What one service has open, and tells while somebody watches."""

    def __init__(self) -> None:
        self._until = 0.0
        self._open: dict[Hashable, See] = {}
        self._untold: deque[Sighting] = deque(maxlen=MOST_UNTOLD)
        self._more = asyncio.Event()

    @property
    def open(self) -> int:
        """How many turns, or events of turns, are under way here."""
        return len(self._open)

    def began(self, key: Hashable, see: See) -> None:
        """Something is under way until `ended` names its *key*; *see* is asked only when somebody watches."""
        self._open[key] = see
        if self.watched:
            self.tell(see())

    def ended(self, key: Hashable) -> None:
        """It is over, or it never began."""
        self._open.pop(key, None)

    @property
    def watched(self) -> bool:
        """Whether anybody wants to be told now."""
        return time.monotonic() < self._until

    def tell(self, sighting: Sighting) -> None:
        """Something happened that is to be told."""
        self._untold.append(sighting)
        self._more.set()

    async def _on_wanted(self, message: Msg) -> None:
        fresh = not self.watched
        with contextlib.suppress(msgspec.DecodeError):
            fresh = msgspec.json.decode(message.data or b"{}", type=Wanted).fresh or fresh
        self._until = time.monotonic() + LEASE_SECONDS
        for see in tuple(self._open.values()) if fresh else ():
            self.tell(see())

    @asynccontextmanager
    async def told(self, client: Client) -> AsyncIterator[None]:
        """Listen for watchers and tell them, for as long as this lasts."""
        subscription = await client.subscribe(WANTED, cb=self._on_wanted)
        telling = asyncio.create_task(self._send(client), name="sightings")
        try:
            yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            with contextlib.suppress(NatsError, ConnectionError):
                await subscription.unsubscribe()

    async def _send(self, client: Client) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._untold:
                seen = self._untold.popleft()
                subject = f"{ROOT}.{seen.service}.{seen.origin or '-'}.{seen.session or '-'}"
                with contextlib.suppress(NatsError, ConnectionError):
                    await client.publish(subject, msgspec.json.encode(seen))
