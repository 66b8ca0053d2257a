"""Three brokers on this machine keep every stream three times; the leader of each is killed under load."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from bus_schemas import Event, Speech, Utterance
from services.cli import broker as embedded
from services.edge.relay import Place, Relay
from services.llm.__main__ import open_stage as open_llm
from services.llm.settings import LlmSettings
from services.runtime import bus as buses
from services.runtime import settle, streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import StartError, Unavailable
from services.runtime.streams import StreamSettings
from services.stt.__main__ import open_stage as open_stt
from services.stt.settings import SttSettings
from services.tts.__main__ import open_stage as open_tts
from services.tts.settings import TtsSettings
from tests.edge.asking import tone
from tests.fundamentals.conftest import REPLY
from tests.harness import free_port
from tests.runtime.workers import working

KILLED = (streams.UTTERANCE, streams.TRANSCRIPT, streams.SENTENCE, streams.ANSWER, f"KV_{streams.MEMORY}")
LIMITS = StreamSettings(stream_replicas=3, ack_wait=2.0)
ASKERS = 5
PAUSE_SECONDS = 0.3
"""Between an asker's two questions."""
LOAD_SECONDS = 1.0
"""Between a broker's return and the next death: who asks while there is no leader waits 5 s for its confirmation."""
DEAD_SECONDS = 1.0
WELL_SECONDS = 20.0
LAST_SECONDS = 30.0

pytestmark = pytest.mark.timeout(120)


class Cluster:
    """The brokers of this test, by name; one at a time may be dead."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ports = {f"n{n}": (free_port(), free_port()) for n in range(3)}
        self._living: dict[str, tuple[AsyncExitStack, embedded.Broker]] = {}

    @property
    def settings(self) -> BusSettings:
        return BusSettings(nats_url=",".join(f"nats://127.0.0.1:{port}" for port, _ in self._ports.values()))

    async def start(self, name: str) -> None:
        port, own = self._ports[name]
        routes = ", ".join(f'"nats://127.0.0.1:{route}"' for _, route in self._ports.values())
        cluster = f'cluster {{ name: c, listen: "127.0.0.1:{own}", routes: [{routes}] }}\nserver_name: {name}'
        stack = AsyncExitStack()
        started = await stack.enter_async_context(embedded.start(port, self._directory / name, extra=cluster))
        self._living[name] = (stack, started)

    async def kill(self, name: str) -> None:
        """SIGKILL: nothing is handed over."""
        stack, started = self._living.pop(name)
        started.process.kill()
        await stack.aclose()

    async def stop(self) -> None:
        for stack, _ in self._living.values():
            await stack.aclose()


@asynccontextmanager
async def three_brokers(directory: Path) -> AsyncIterator[Cluster]:
    cluster = Cluster(directory)
    try:
        async with asyncio.TaskGroup() as group:
            for n in range(3):
                group.create_task(cluster.start(f"n{n}"))
        yield cluster
    finally:
        await cluster.stop()
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)


async def made(bus: Bus) -> None:
    """Make the streams, as soon as the brokers have found each other."""
    async with asyncio.timeout(WELL_SECONDS):
        while True:
            try:
                await streams.setup(bus.jetstream, LIMITS)
            except (StartError, Unavailable, NatsError, TimeoutError):
                await asyncio.sleep(0.5)
                continue
            return


async def leader(bus: Bus, stream: str) -> str:
    """The broker that leads a stream, once both of its followers have all that it has."""
    async with asyncio.timeout(WELL_SECONDS):
        while True:
            try:
                there = (await bus.jetstream.stream_info(stream)).cluster
            except (APIError, NatsError, TimeoutError):
                there = None
            if there and there.leader and sum(bool(peer.current) for peer in there.replicas or []) == 2:
                return there.leader
            await asyncio.sleep(0.2)


@asynccontextmanager
async def stages(settings: BusSettings) -> AsyncIterator[None]:
    """stt, llm and tts, each with its own connection."""
    async with AsyncExitStack() as running:
        connect = [await running.enter_async_context(buses.connect(settings, name)) for name in ("stt", "llm", "tts")]
        for bus, opening in zip(
            connect,
            (
                open_stt(SttSettings(stt_engine="scripted", scripted_transcript="Hello there."), connect[0]),
                open_llm(LlmSettings(llm_engine="scripted", scripted=REPLY), connect[1]),
                open_tts(TtsSettings(tts_engine="scripted"), connect[2]),
            ),
            strict=True,
        ):
            await running.enter_async_context(working(bus, await running.enter_async_context(opening)))
        yield


async def ask(bus: Bus, who: int, stopping: asyncio.Event, acknowledged: list[str]) -> None:
    """One question after another, each in a session of its own; those that the brokers confirmed are kept."""
    wav, n = tone(0.5), 0
    while not stopping.is_set():
        turn, n = f"t{who}-{n}", n + 1
        await settle.publish(bus, Utterance(origin="c", session=turn, turn=turn, wav=wav, timeout_ms=90_000), "test")
        acknowledged.append(turn)
        await asyncio.sleep(PAUSE_SECONDS)


async def complete(bus: Bus) -> set[str]:
    """The turns whose every sentence is in the stream of answers, whoever heard it."""
    found: list[Event] = []
    await Relay(bus).read("voice.*.c.*", Place(time=1.0), found.append)
    spoken = [event for event in found if isinstance(event, Speech) and event.end]
    has = {(event.turn, event.attempt, event.n) for event in spoken}
    ends = [event for event in spoken if event.last]
    return {e.turn for e in ends if all((e.turn, e.attempt, n) in has for n in range(e.n))}


async def answered(bus: Bus, wanted: set[str]) -> set[str]:
    """The turns that are answered once all of *wanted* are, or nothing more is to be expected."""
    found: set[str] = set()
    end = time.monotonic() + LAST_SECONDS
    while not wanted <= found and time.monotonic() < end:
        await asyncio.sleep(0.5)
        with contextlib.suppress(Unavailable):
            found = await complete(bus)
    return found


async def test_every_confirmed_question_is_answered_though_each_leader_is_killed(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """SIGKILL of the leader of each stream in turn, five in all, each started again: nothing confirmed is lost."""
    asked: list[str] = []
    stopping = asyncio.Event()
    async with three_brokers(tmp_path / "cluster") as cluster, buses.connect(cluster.settings, "test") as bus:
        await made(bus)
        async with stages(cluster.settings):
            async with asyncio.TaskGroup() as load:
                for who in range(ASKERS):
                    load.create_task(ask(bus, who, stopping, asked))
                for stream in KILLED:
                    await asyncio.sleep(LOAD_SECONDS)
                    victim = await leader(bus, stream)
                    await cluster.kill(victim)
                    await asyncio.sleep(DEAD_SECONDS)
                    await cluster.start(victim)
                stopping.set()
            found = await answered(bus, set(asked))  # only now: the last question of each asker may be confirmed late
    record_property(
        "cluster of three, the leader of each stream killed", f"{len(asked)} confirmed, {len(found)} answered"
    )
    assert len(asked) > 5 * len(KILLED)
    assert set(asked) <= found
