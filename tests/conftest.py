"""Fixtures: a real broker for the session, a fresh set of streams for each test, and a guard over every test."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from blockbuster import BlockBuster
from nats.js.errors import NotFoundError

from services.cli import broker as embedded
from services.runtime import bus as buses
from services.runtime import streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import StartError
from tests.harness import free_port
from tests.spread import pytest_xdist_make_scheduler as pytest_xdist_make_scheduler


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real nats-server on a free port with its own store, for all tests of the session."""
    ready, stop = threading.Event(), threading.Event()
    port, directory = free_port(), tmp_path_factory.mktemp("broker")

    async def run() -> None:
        async with embedded.start(port, directory):
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(30), "the broker did not start"
    yield f"nats://127.0.0.1:{port}"
    stop.set()
    thread.join(30)


@pytest.fixture
def bus_settings(broker_url: str) -> BusSettings:
    """How a service of this test reaches the broker."""
    return BusSettings(nats_url=broker_url)


@pytest.fixture
def stream_settings() -> streams.StreamSettings:
    """The limits of this test's streams; override it in a module for others."""
    return streams.StreamSettings(ack_wait=1.0)


@pytest.fixture
async def bus(bus_settings: BusSettings, stream_settings: streams.StreamSettings) -> AsyncIterator[Bus]:
    """A connection, and fresh streams."""
    async with buses.connect(bus_settings, "test") as connection:
        assert await fresh_streams(connection, stream_settings) == []
        yield connection


async def fresh_streams(connection: Bus, settings: streams.StreamSettings) -> list[str]:
    """Streams without anything of an earlier test, which the broker may still be clearing from its disk."""
    for pause in (0.1, 0.3, 1.0):
        await remove_streams(connection)
        try:
            return await streams.setup(connection.jetstream, settings)
        except StartError as error:
            if "error creating store" not in str(error):
                raise
        await asyncio.sleep(pause)
    await remove_streams(connection)
    return await streams.setup(connection.jetstream, settings)


async def remove_streams(connection: Bus) -> None:
    """Take every stream of an earlier test away: those that are listed, and ours, which a busy broker may not list."""
    listed = [str(info.config.name) for info in await connection.jetstream.streams_info()]
    for name in {*listed, *streams.NAMES, streams.LOG}:
        with contextlib.suppress(NotFoundError):
            await connection.jetstream.delete_stream(name)


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """Logs of the code under test do not fill the report; `caplog` users configure their own."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[None]:
    """A test fails when code blocks the event loop."""
    guard = BlockBuster()
    guard.activate()
    yield
    guard.deactivate()


@pytest.fixture(autouse=True)
async def no_task_leaks() -> AsyncIterator[None]:
    """A test fails when it leaves a task behind."""
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before if not task.done() and task is not asyncio.current_task()}
    assert not left, f"tasks left behind: {left}"


@pytest.fixture(autouse=True)
def no_process_leaks(broker_url: str) -> Iterator[None]:
    """A test fails when it leaves a child process behind, and with it a port."""
    before = child_processes()
    yield
    left = child_processes() - before
    assert not left, f"processes left behind: {left}"


def child_processes() -> set[str]:
    """The living children of this process, as `pid name`."""
    found = set()
    for task in Path("/proc/self/task").iterdir() if Path("/proc/self/task").exists() else ():
        for pid in children_of(task):
            name = Path(f"/proc/{pid}/comm")
            if name.exists() and int(pid) != os.getpid():
                found.add(f"{pid} {name.read_text().strip()}")
    return found


def children_of(task: Path) -> list[str]:
    """The processes that a thread has started; a thread that has just ended has none."""
    try:
        return (task / "children").read_text().split()
    except FileNotFoundError:
        return []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What was measured is shown at the end of the run, whether it was good enough or not."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for what, figure in report.user_properties:
                    terminalreporter.write_line(f"measured: {what}: {figure}")
