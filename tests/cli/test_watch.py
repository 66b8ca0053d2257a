"""`voicebus watch` against a real broker, real stages and a real edge; the command itself in a process of its own."""

import asyncio
import contextlib
import json
import os
import pty
import signal
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from services.cli import broker as embedded
from services.cli import watch_feed
from services.cli.watch_items import Broker, Item
from services.edge import presence
from services.edge.settings import EdgeSettings
from services.runtime import bus as buses
from services.runtime.bus import Bus, BusSettings
from tests.cli.commands import COMMAND, environ
from tests.edge.asking import edge, receive, tone
from tests.fundamentals.conftest import stages as stages
from tests.harness import free_port, wait_until

STOP_SECONDS = 15


@pytest.fixture
async def url(bus: Bus, stages: None, bus_settings: BusSettings) -> AsyncIterator[str]:
    """An edge with its stages, which says that it is there."""
    async with edge(bus_settings, EdgeSettings()) as (listening, own), presence.announced(own, listening, "edge-1"):
        yield f"ws://127.0.0.1:{listening.port}/ws"


async def ask(url: str, session: str) -> None:
    """One turn."""
    async with connect(f"{url}?session={session}") as client:
        await client.send(tone(0.5))
        await receive(client)


@contextlib.asynccontextmanager
async def watching(folder: Path, broker_url: str, *words: str) -> AsyncIterator[tuple[Process, Path]]:
    """The command, its output in a file; at the end it is gone."""
    env, out = environ(folder, NATS_URL=broker_url, NATS_CONNECT_SECONDS=3), folder / "out"
    with await asyncio.to_thread(out.open, "wb") as file:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "watch", *words, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
        try:
            yield process, out
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def until(path: Path, word: str) -> str:
    """The text of a file once *word* is in it."""
    found = ""

    def there() -> bool:
        nonlocal found
        found = path.read_text("utf-8")
        return word in found

    for _ in range(STOP_SECONDS * 20):
        if await asyncio.to_thread(there):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"no {word!r} in: {found}")


async def test_a_turn_is_told_line_by_line_as_json_without_a_word_of_it(
    url: str, broker_url: str, tmp_path: Path
) -> None:
    """Who asked, each stage, the end; and who works, and the queues."""
    async with watching(tmp_path, broker_url, "--json") as (process, out):
        await until(out, '"stage":"edge"')
        await ask(url, "kitchen")
        told = await until(out, '"what":"answered"')
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    lines = [json.loads(line) for line in told.splitlines()]
    turn = [
        (each["service"], each["what"]) for each in lines if each["kind"] == "turn" and each["session"] == "kitchen"
    ]
    for step in [("edge", "asked"), ("stt", "finished"), ("llm", "started"), ("tts", "finished"), ("edge", "answered")]:
        assert step in turn
    assert {each["stage"] for each in lines if each["kind"] == "worker"} == {"edge", "stt", "llm", "tts"}
    assert any(each["kind"] == "queues" for each in lines)
    assert "Hello there" not in told
    assert "heard you" not in told


async def test_plain_lines_have_the_words_only_when_asked(url: str, broker_url: str, tmp_path: Path) -> None:
    """Off a terminal, with --text."""
    async with watching(tmp_path, broker_url, "--text", "--origin", "web") as (process, out):
        await until(out, "tts worker test-worker is here  scripted")
        await ask(url, "hall")
        told = await until(out, "answered after")
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert "you: Hello there." in told
    assert "voicebus: I heard you." in told


@pytest.mark.parametrize(("words", "told"), [((), "nobody asks"), (("--json",), '"broker":true')])
async def test_once_prints_one_picture_and_ends(
    url: str, broker_url: str, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    """With everybody who works in it; --svg keeps it as a file that fetches nothing."""
    async with watching(tmp_path, broker_url, "--once", "--svg", "w.svg", *words) as (process, out):
        async with asyncio.timeout(STOP_SECONDS):
            assert await process.wait() == 0
        drawn = await asyncio.to_thread(out.read_text, "utf-8")
    assert told in drawn
    assert drawn.count("test-worker") == 3
    assert "edge-1" in drawn
    svg = await asyncio.to_thread((tmp_path / "w.svg").read_text, "utf-8")
    assert "<svg" in svg
    assert "@font-face" not in svg


async def test_on_a_terminal_it_draws_and_leaves_it_as_it_was(url: str, broker_url: str, tmp_path: Path) -> None:
    """Ctrl-C is typed; the other screen is left, the cursor is back, the exit code is 0."""
    ours, theirs = pty.openpty()
    env = environ(tmp_path, NATS_URL=broker_url, TERM="xterm-256color", COLUMNS=120, LINES=40)
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "watch", cwd=tmp_path, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    drawn = bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):  # how a terminal ends
            while part := os.read(ours, 65536):
                drawn.extend(part)

    reading = asyncio.create_task(asyncio.to_thread(read))
    await wait_until(lambda: b"test-worker" in drawn, "it draws who works")
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0
    await reading
    os.close(ours)
    for on, off in ((b"\x1b[?1049h", b"\x1b[?1049l"), (b"\x1b[?25l", b"\x1b[?25h")):
        assert drawn.rfind(off) > drawn.rfind(on) >= 0


async def test_it_says_that_the_broker_was_away_and_goes_on(tmp_path: Path) -> None:
    """A broker that is stopped and started again."""
    port, heard = free_port(), list[Item]()
    settings = BusSettings(nats_url=f"nats://127.0.0.1:{port}")
    async with contextlib.AsyncExitStack() as stack:
        async with embedded.start(port, tmp_path):
            bus = await stack.enter_async_context(buses.connect(settings, "watch"))
            feed = asyncio.create_task(watch_feed.feed(bus, heard.append, origin="", text=False))
            await asyncio.sleep(0.2)
        await wait_until(lambda: Broker(False, "the connection is being made again") in heard, "it is away")
        async with embedded.start(port, tmp_path):
            await wait_until(lambda: Broker(True) in heard, "it is there again")
            feed.cancel()
            await asyncio.gather(feed, return_exceptions=True)
            await stack.aclose()


async def test_without_a_broker_it_ends_with_one_and_a_sentence(tmp_path: Path) -> None:
    """Not with a picture of nothing."""
    async with watching(tmp_path, f"nats://127.0.0.1:{free_port()}") as (process, out):
        async with asyncio.timeout(2 * STOP_SECONDS):
            assert await process.wait() == 1
        assert "no broker answers" in await asyncio.to_thread(out.read_text, "utf-8")
