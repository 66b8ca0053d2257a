"""Two edges, each a process, on one broker: a client whose edge dies or stops gets its answer from the other."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from services.cli.client import Client
from tests.acceptance.pipeline import SCRIPTED, Pipeline, running
from tests.edge.asking import receive, tone
from tests.harness import free_port

pytestmark = pytest.mark.timeout(180)

REPLY = "First of all, hello. Then this goes on for a while, to have time. Before: {previous}. You said: {transcript}"
START_SECONDS = 30.0


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """The first edge and the stages; a reply takes about three seconds."""
    settings = {**SCRIPTED, "SCRIPTED_REPLY": REPLY, "SCRIPTED_WORDS_PER_SECOND": "8"}
    with running(tmp_path_factory.mktemp("two-edges"), settings) as ready:
        yield ready


@asynccontextmanager
async def another_edge(pipeline: Pipeline, port: int, **settings: str) -> AsyncIterator[Process]:
    """A second edge of the same deployment, which the test ends."""
    environment = {**os.environ, **settings, "PORT": str(port), "NATS_URL": pipeline.nats_url}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.edge", env=environment, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def opened(url: str) -> ClientConnection:
    """A socket of an edge that may still be starting."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                return await connect(url)
            except OSError:
                await asyncio.sleep(0.1)


async def asked(url: str) -> tuple[ClientConnection, str, str]:
    """A socket whose turn is stored; its session and the turn's name."""
    client = await opened(f"{url}?turns=1")
    await client.send(tone(1))
    async with asyncio.timeout(20):
        turn = msgspec.json.decode(await client.recv())["turn"]
    assert client.response is not None
    return client, client.response.headers["Voicebus-Session"], str(turn)


async def resumed(url: str, session: str, turn: str) -> dict[str, object]:
    async with connect(f"{url}?session={session}&resume={turn}") as client:
        return (await receive(client, 30)).text


async def test_the_answer_of_an_edge_that_was_killed_comes_from_the_other(pipeline: Pipeline) -> None:
    port = free_port()
    async with another_edge(pipeline, port) as second:
        client, session, turn = await asked(f"ws://127.0.0.1:{port}/ws")
        second.send_signal(signal.SIGKILL)
        with pytest.raises(ConnectionClosed):
            await client.recv()
        answer = await resumed(pipeline.url, session, turn)

    assert str(answer["llama"]).startswith("First of all, hello.")


async def test_an_edge_that_is_told_to_stop_finishes_what_it_can_and_leaves_the_rest_to_the_other(
    pipeline: Pipeline,
) -> None:
    """With time it answers and closes with 1001; without, it closes with 1001, and the other one answers."""
    for drain, answered in (("20", True), ("0.3", False)):
        port = free_port()
        async with another_edge(pipeline, port, DRAIN_SECONDS=drain) as second:
            client, session, turn = await asked(f"ws://127.0.0.1:{port}/ws")
            second.send_signal(signal.SIGTERM)
            if answered:
                assert str((await receive(client, 30)).text["llama"]).startswith("First of all")
            with pytest.raises(ConnectionClosed) as closed:
                await client.recv()
            async with asyncio.timeout(10):
                assert await second.wait() == 0
            again = await resumed(pipeline.url, session, turn)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert str(again["llama"]).startswith("First of all")


async def test_the_client_of_the_command_line_comes_back_by_itself(pipeline: Pipeline) -> None:
    """Its edge is killed in the middle of a turn and started again on its port; the session knows the question once."""
    port = free_port()
    url = f"ws://127.0.0.1:{port}/ws"
    async with another_edge(pipeline, port) as first:
        await (await opened(url)).close()
        async with Client(url, mends=2) as client:
            asking = asyncio.create_task(client.ask(tone(1)))
            await asyncio.sleep(1.0)
            first.send_signal(signal.SIGKILL)
            async with another_edge(pipeline, port):
                turn = await asking
                assert "Before: ." in turn.llama
