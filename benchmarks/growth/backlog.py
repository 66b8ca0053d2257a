"""A backlog: 10,000 questions stand on the bus before the first worker starts; how it is drained, and is all answered?

They are published straight on the bus by one outsider, each in a session of its own, and its answers are counted.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct
from nats.aio.msg import Msg

from benchmarks import results
from benchmarks.results import About
from bus_schemas import Event, Failed, Utterance, codec
from services.edge.answer import Answer, Assembly
from services.runtime.bus import Bus

from . import clients
from . import fleet as fleets
from .fleet import Fleet
from .usage import Used

NAME = "backlog"
SECONDS = 590.0
"""The longest drain that is waited for."""
TURNS = 10_000
TIMEOUT_MS = 600_000
"""What each question allows, the longest there is."""
SETTINGS = {
    "STREAM_UTTERANCES": str(TURNS),
    "STREAM_UTTERANCE_MIB": "2048",
    "STREAM_WORK_SECONDS": "660",
    "BURST_TURNS": str(TURNS),
    "STT_CONCURRENCY": "16",
    "LLM_CONCURRENCY": "16",
    "TTS_CONCURRENCY": "16",
}
"""By default the stream takes 500 questions and 512 MiB, then callers hear `busy`; an origin with more than 32 in line
gives way to others; and work older than 10 minutes is dropped."""
ORIGIN = "backlog"
AT_ONCE = 64
"""Questions that are being published."""
SAMPLE_SECONDS = 0.5
REST_SECONDS = 10.0
"""After the drain, before memory is looked at once more."""
UNHEARD_BYTES = 1024 * 1024 * 1024
"""What may wait for the count to come to it."""


class Backlog(Struct, frozen=True):
    """A run."""

    about: About
    settings: dict[str, str]
    turns: int
    mib: float
    """Of questions."""
    publish_s: float
    drain_s: float
    """From the start of the first worker to the last answer."""
    turns_a_second: float
    """Of the drain, after the workers' start."""
    outcomes: dict[str, int]
    """`answered`, the codes of failures, `wrong` for somebody else's answer, `lost` for none."""
    unheard: bool
    """Whether the counting client had to drop messages."""
    cores: dict[str, float]
    """That each role used on average, from the start of the last worker to the last answer."""
    empty_mib: dict[str, float]
    """Memory of each role before, with the backlog standing, at its highest in the drain, and a while after it."""
    standing_mib: dict[str, float]
    highest_mib: dict[str, float]
    after_mib: dict[str, float]


class Tally:
    """What has become of each question; told of every event."""

    def __init__(self, turns: int) -> None:
        self.outcomes: dict[str, str] = {}
        self.last = 0.0
        """When the last one ended."""
        self.first = 0.0
        self._open = {f"q{number}": (number, Assembly()) for number in range(turns)}

    @property
    def open(self) -> int:
        """Questions without an end."""
        return len(self._open)

    def tell(self, event: Event) -> None:
        """Take an event that was heard."""
        number, assembly = self._open.get(event.turn, (0, None))
        found = assembly.add(event) if assembly else None
        if found is None:
            return
        self.last = time.monotonic()
        self.first = self.first or self.last
        del self._open[event.turn]
        self.outcomes[event.turn] = outcome(found, number)

    def counted(self) -> dict[str, int]:
        """How many ended how."""
        counts = Counter(self.outcomes.values())
        return {**counts, **({"lost": self.open} if self.open else {})}


def outcome(found: Answer | Failed, number: int) -> str:
    """How question *number* ended: its transcript tells its length, and nobody else's has that."""
    if isinstance(found, Failed):
        return found.code
    return clients.ANSWERED if f" {clients.SAMPLES + number} " in found.transcription else "wrong"


async def measure(data: Path, seconds: float, turns: int = TURNS) -> Backlog:
    """Publish, start the workers, count; give up after *seconds*."""
    async with fleets.running(data, SETTINGS, {}) as fleet:
        tally, memory = Tally(turns), {"empty": fleet.by_role()}
        async with _heard(fleet.bus, tally) as unheard:
            began = time.monotonic()
            size = await _publish(fleet.bus, turns)
            published, memory["standing"] = time.monotonic() - began, fleet.by_role()
            began = time.monotonic()
            for role in ("tts", "llm", "stt"):
                await fleet.add(role)
            ready, before = time.monotonic(), fleet.by_role()
            highest = await _drained(fleet, tally, seconds)
            worked, used = time.monotonic() - ready, fleet.by_role()
            await asyncio.sleep(min(REST_SECONDS, worked))
            memory["after"] = fleet.by_role()
    drain = tally.last - tally.first
    return Backlog(
        about=results.about(),
        settings=SETTINGS,
        turns=turns,
        mib=round(size / 2**20, 1),
        publish_s=round(published, 1),
        drain_s=round(tally.last - began, 1),
        turns_a_second=round((turns - tally.open) / drain, 1) if drain else 0.0,
        outcomes=tally.counted(),
        unheard=bool(unheard),
        cores={role: round((one.cpu_s - before[role].cpu_s) / worked, 3) for role, one in used.items()},
        empty_mib=_mib(memory["empty"]),
        standing_mib=_mib(memory["standing"]),
        highest_mib={role: round(kib / 1024, 1) for role, kib in highest.items()},
        after_mib=_mib(memory["after"]),
    )


async def _publish(bus: Bus, turns: int) -> int:
    """Publish all questions; returns their bytes."""
    gate, sizes = asyncio.Semaphore(AT_ONCE), list[int]()

    async def one(number: int) -> None:
        async with gate:
            wav = await asyncio.to_thread(clients.made, number)
            name = f"q{number}"
            await bus.publish(Utterance(origin=ORIGIN, session=name, turn=name, wav=wav, timeout_ms=TIMEOUT_MS))
            sizes.append(len(wav))

    async with asyncio.TaskGroup() as group:
        for number in range(turns):
            group.create_task(one(number))
    return sum(sizes)


@asynccontextmanager
async def _heard(bus: Bus, tally: Tally) -> AsyncIterator[list[bool]]:
    """Tell the tally of every answer and failure; gives a list that is not empty when messages had to be dropped."""
    dropped: list[bool] = []

    async def take(message: Msg) -> None:
        tally.tell(codec.decode(message.subject, message.data, message.headers))

    bus.on_slow.append(lambda: dropped.append(True))
    subscriptions = [
        await bus.client.subscribe(f"voice.{kind}.{ORIGIN}.*", cb=take, pending_bytes_limit=UNHEARD_BYTES)
        for kind in ("speech", "failed")
    ]
    try:
        yield dropped
    finally:
        for subscription in subscriptions:
            await subscription.unsubscribe()


async def _drained(fleet: Fleet, tally: Tally, seconds: float) -> dict[str, int]:
    """Wait for the last answer; returns the highest memory of each role, KiB."""
    end, highest = time.monotonic() + seconds, dict[str, int]()
    while tally.open and time.monotonic() < end:
        for role, used in fleet.by_role().items():
            highest[role] = max(highest.get(role, 0), used.rss_kib)
        await asyncio.sleep(SAMPLE_SECONDS)
    return highest


def _mib(memory: dict[str, Used]) -> dict[str, float]:
    return {role: round(used.rss_kib / 1024, 1) for role, used in memory.items()}
