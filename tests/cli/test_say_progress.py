"""What `voicebus say` shows while it waits: on a terminal how far the question is, elsewhere nothing."""

import asyncio
import os
import pty
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
    """Over a link that lets nothing through for a while, of an edge that takes the turn and thinks."""
    read, think = asyncio.Event(), asyncio.Event()

    async def slow(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(frames.encode(Taken("t1")))
        await think.wait()
        await connection.send(ANSWER)
        await connection.send(b"")

    async with serve(slow, "127.0.0.1", 0, max_size=None, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with _link(port, read) as url, Client(url, mends=1) as client:
            asking = asyncio.create_task(client.ask(LARGE))
            await wait_until(lambda: client.unsent > 0, "the question waits for the network")
            before = say_progress.state(client)
            read.set()
            await wait_until(lambda: client.taken, "it is taken")
            assert "MiB to go" in before
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


@asynccontextmanager
async def _link(port: int, read: asyncio.Event) -> AsyncIterator[str]:
    """A way to the edge that carries the handshake, and what follows it only once *read* is set."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        back.write(await reader.readuntil(b"\r\n\r\n"))
        answers = asyncio.create_task(_copy(there, writer))
        await read.wait()
        await _copy(reader, back)
        await answers

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # the system's own holds it all
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = await asyncio.start_server(carry, sock=listening)
        async with server:
            yield f"ws://127.0.0.1:{listening.getsockname()[1]}/ws"


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while part := await reader.read(65536):
        writer.write(part)
        await writer.drain()
    writer.close()


def _read(terminal: int, drawn: bytearray) -> None:
    try:
        while part := os.read(terminal, 65536):
            drawn.extend(part)
    except OSError:  # how a terminal ends
        return
