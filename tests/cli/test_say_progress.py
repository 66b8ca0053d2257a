"""What `voicebus say` shows while it waits: on a terminal how far the question is, elsewhere nothing."""

import asyncio
import os
import pty
import subprocess
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve

from bus_schemas import frames
from bus_schemas.frames import Taken
from services.cli import say_progress
from services.cli.client import Client
from tests.cli.commands import COMMAND, ROOT, environ
from tests.harness import wait_until

LARGE = b"x" * 16_000_000
"""More than the buffers of a socket hold."""
ANSWER = '{"transcription":"Yes?","llama":"No."}'


async def test_it_says_how_much_is_still_to_be_sent_then_that_it_was_taken() -> None:
    """Of an edge that reads late, then takes the turn and thinks."""
    read, think = asyncio.Event(), asyncio.Event()

    async def slow(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await read.wait()
        connection.transport.resume_reading()
        await connection.recv()
        await connection.send(frames.encode(Taken("t1")))
        await think.wait()
        await connection.send(ANSWER)
        await connection.send(b"")

    async with serve(slow, "127.0.0.1", 0, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with Client(f"ws://127.0.0.1:{port}/ws", mends=1) as client:
            asking = asyncio.create_task(client.ask(LARGE))
            await wait_until(lambda: client.unsent > 0, "the question waits for the network")
            assert "MiB to go" in say_progress.state(client)
            read.set()
            await wait_until(lambda: client.taken, "it is taken")
            assert say_progress.state(client) == "taken; it is heard and answered"
            think.set()
            assert (await asking).llama == "No."
        assert "the link broke" in say_progress.state(client)


async def test_it_is_drawn_on_a_terminal_and_taken_away_again(tmp_path: Path) -> None:
    """The answer goes to stdout all the same, and the cursor is back."""
    release = asyncio.Event()

    async def answer(connection: ServerConnection) -> None:
        await connection.recv()
        await release.wait()
        await connection.send(ANSWER)
        await connection.send(b"")

    async with serve(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        ours, theirs = pty.openpty()
        words = ("say", "--url", f"ws://127.0.0.1:{port}/ws", str(ROOT / "audios" / "question.wav"))
        env = environ(tmp_path, TERM="xterm-256color")
        process = await asyncio.create_subprocess_exec(
            *COMMAND, *words, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs
        )
        os.close(theirs)
        drawn = bytearray()
        reading = asyncio.create_task(asyncio.to_thread(_read, ours, drawn))
        await wait_until(lambda: b"waiting for the edge" in drawn, "it is drawn")
        release.set()
        told, _ = await process.communicate()
        await reading
        os.close(ours)
    assert process.returncode == 0
    assert b"voicebus  No." in told
    assert drawn.rfind(b"\x1b[?25h") > drawn.rfind(b"\x1b[?25l")


def _read(terminal: int, drawn: bytearray) -> None:
    try:
        while part := os.read(terminal, 65536):
            drawn.extend(part)
    except OSError:  # how a terminal ends
        return
