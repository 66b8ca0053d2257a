"""What a server of Ollama's protocol may do wrong, and what becomes of the turn."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bus_schemas import Event, Sentence, codes
from services.llm import engines
from services.llm.__main__ import open_stage
from services.llm.engines import ollama, servers
from services.llm.settings import LlmSettings
from services.runtime.bus import Bus
from services.runtime.errors import Refused, StartError, Unavailable
from services.runtime.health import Readiness
from tests.chaos.link import Link
from tests.contracts.language_model import CAPITAL, STORY
from tests.engines.ollama_server import collect, opened, settings_for
from tests.harness import free_port, listening, wait_until
from tests.runtime.workers import settled, transcript, working

PART = b'{"model": "m", "message": {"role": "assistant", "content": "Once "}, "done": false}\n'
DONE = b'{"model": "m", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop"}\n'
STREAM = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

Serve = Callable[[str, dict[str, Any], asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Serve) -> AsyncIterator[int]:
    """A server that hands each request's path and JSON to *answer*, and then closes; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r")[0])
            await answer(head.split()[1].decode(), json.loads(await reader.readexactly(length)), writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def failure(status: str, words: str) -> bytes:
    body = json.dumps({"error": words}).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body


def always(answer: bytes) -> Serve:
    async def write(_: str, __: object, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return write


async def what_comes_of(port: int, **wanted: float) -> Exception | None:
    """The error of a reply; its half-read stream is let go."""
    async with opened(settings_for(port, "m", **wanted), ollama.connect) as model:
        try:
            await collect(model, CAPITAL)
        except Exception as error:
            return error.with_traceback(None)
    return None


@pytest.mark.parametrize(
    ("answer", "kind", "expected"),
    [
        (failure("503 Busy", "server busy, maximum pending requests exceeded"), Unavailable, "OLLAMA_NUM_PARALLEL"),
        (failure("404 Not Found", "model 'm' not found"), Unavailable, "run `ollama pull m`"),
        (failure("404 Not Found", "page not found"), Unavailable, "refused m"),
        (failure("401 Unauthorized", "unauthorized"), Unavailable, "OLLAMA_API_KEY"),
        (failure("500 Internal Server Error", "llama runner process has terminated"), Unavailable, "runner process"),
        (failure("400 Bad Request", '"m" does not support chat'), RuntimeError, "does not support chat"),
        (failure("400 Bad Request", "exceed_context_size_error"), Refused, "too long"),
        (STREAM + PART + b'{"error": "out of memory"}\n', Unavailable, "out of memory"),
        (STREAM.replace(b"Connection", b"Content-Length: 900\r\nConnection") + PART, Unavailable, "broke off"),
        (STREAM + PART + b'{"message": {"ro', Unavailable, "broke off"),
        (STREAM + PART, Unavailable, "in the middle of a reply"),
        (STREAM + b"<html>hello</html>\n", Unavailable, "broke off"),
        (STREAM + b"[1, 2]\n", Unavailable, "does not speak as Ollama does"),
        (STREAM + b'{"message": 5}\n', Unavailable, "does not speak as Ollama does"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Unavailable, "broke off"),
    ],
)
async def test_each_way_to_fail_is_settled_in_its_way_and_says_what_to_do(
    answer: bytes, kind: type[Exception], expected: str
) -> None:
    """Waited for, refused, or given up."""
    async with serving(always(answer)) as port:
        error = await what_comes_of(port)
    assert type(error) is kind
    assert expected in str(error)
    assert not isinstance(error, Refused) or error.code == codes.TOO_LONG


async def test_a_server_that_says_nothing_is_unavailable() -> None:
    over = asyncio.Event()

    async def say_nothing(_: str, __: object, writer: asyncio.StreamWriter) -> None:
        await over.wait()

    async with serving(say_nothing) as port:
        assert "said nothing for 0.3 s" in str(await what_comes_of(port, silence=0.3))
        over.set()
        await asyncio.sleep(0.05)


async def test_a_stream_that_stays_open_after_its_end_is_not_waited_for() -> None:
    over = asyncio.Event()

    async def stay(_: str, __: object, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + PART + DONE)
        await over.wait()

    async with serving(stay) as port, opened(settings_for(port, "m"), ollama.connect) as model, asyncio.timeout(10):
        assert await collect(model, CAPITAL) == ["Once "]
        over.set()


@pytest.mark.parametrize(
    ("drip", "longest"),
    [
        (PART, 200 * servers.CHUNKS_PER_TOKEN * len("Once ")),
        (PART.replace(b"Once ", b""), 0),
        (PART.replace(b"Once ", b"a word " * 5000), 200 * servers.CHARACTERS_PER_TOKEN),
    ],
    ids=["words", "nothing", "books"],
)
async def test_a_reply_that_never_ends_is_cut(drip: bytes, longest: int) -> None:
    """After four chunks, or 64 characters, for each token that was asked for."""

    async def never_end(_: str, __: object, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        while True:
            writer.write(drip)
            await writer.drain()
            await asyncio.sleep(0)

    async with (
        serving(never_end) as port,
        opened(settings_for(port, "m"), ollama.connect) as model,
        asyncio.timeout(20),
    ):
        assert len("".join(await collect(model, CAPITAL))) == longest


async def test_a_line_that_never_ends_is_not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "LONGEST_ANSWER", 1_000_000)

    async def never_end(_: str, __: object, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with serving(never_end) as port, asyncio.timeout(20):
        assert "more than 1000000 bytes" in str(await what_comes_of(port))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (failure("404 Not Found", "model 'm' not found"), "run `ollama pull m`"),
        (failure("400 Bad Request", '"m" does not support generate'), "does not support generate"),
        (failure("403 Forbidden", "no"), "OLLAMA_API_KEY"),
    ],
)
async def test_what_will_never_work_stops_the_start(answer: bytes, expected: str) -> None:
    async with serving(always(answer)) as port:
        with pytest.raises(StartError, match=expected):
            await asyncio.to_thread(engines.load, settings_for(port, "m"))


async def test_a_server_without_the_routes_that_load_a_model_is_taken_as_it_is() -> None:
    async def answer(path: str, _: object, writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM + PART + DONE if path == "/api/chat" else failure("404 Not Found", "page not found"))

    async with serving(answer) as port, opened(settings_for(port, "m")) as model:
        await model.probe()
        assert await collect(model, CAPITAL) == ["Once "]


@pytest.mark.parametrize("endpoint", ["http://localhost:99999", "ftp://["])
async def test_an_endpoint_that_is_no_address_stops_the_start(endpoint: str) -> None:
    with pytest.raises(StartError, match="LLAMA_ENDPOINT"):
        await asyncio.to_thread(engines.load, LlmSettings(llama_endpoint=endpoint, llama_model="m"))


async def test_the_model_is_loaded_with_its_settings_before_the_stage_is_open(bus: Bus) -> None:
    """And every reply asks for them again; `/readyz` waits for the stage."""
    asked: list[tuple[str, dict[str, Any]]] = []
    loaded = asyncio.Event()

    async def answer(path: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        asked.append((path, body))
        if path == "/api/generate":
            await loaded.wait()
            writer.write(STREAM + b'{"model": "m", "response": "", "done": true, "done_reason": "load"}')
        elif path == "/api/show":
            writer.write(STREAM + b'{"details": {}}')  # a real one says more
        else:
            writer.write(STREAM + PART + DONE)

    async with serving(answer) as port:
        settings = LlmSettings(
            llama_endpoint=f"http://127.0.0.1:{port}",
            llama_model="m",
            llama_keep_alive="5m",
            llm_temperature=0.5,
            llm_context=2048,
            llm_max_tokens=77,
        )
        whole = open_stage(settings, bus)
        opening = asyncio.ensure_future(whole.__aenter__())
        await wait_until(lambda: [path for path, _ in asked] == ["/api/show", "/api/generate"], "it loads the model")
        await asyncio.sleep(0.2)
        assert not opening.done()
        loaded.set()
        stage = await opening
        async with working(bus, stage):
            await bus.publish(transcript("1"))
            await settled(bus)
        await whole.__aexit__(None, None, None)
    options = {"temperature": 0.5, "num_ctx": 2048, "num_predict": 77}
    assert asked[1][1]["options"] == options | {"num_predict": 1}
    (chat,) = [body for path, body in asked if path == "/api/chat"]
    assert (chat["options"], chat["keep_alive"], chat["think"]) == (options, "5m", False)
    assert asked[1][1]["keep_alive"] == "5m"


async def test_a_reply_that_is_cut_half_way_is_asked_again_and_never_mixed(bus: Bus, ollama_port: int) -> None:
    """The connection breaks in the middle of a story; the answer is another attempt, whole."""
    async with (
        Link(free_port(), ollama_port) as link,
        open_stage(settings_for(link.port), bus) as stage,
        listening(bus, "voice.sentence.>") as said,
        working(bus, stage),
    ):
        link.left = 5000  # about 25 words
        await bus.publish(transcript("1", STORY[0].content))
        await settled(bus)
    attempts = list(dict.fromkeys(event.attempt for event in said))
    assert len(attempts) == 2
    assert ends(said) == [attempts[1]]
    whole = [event for event in said if isinstance(event, Sentence) and event.attempt == attempts[1]]
    assert [event.n for event in whole] == list(range(len(whole)))


async def test_a_server_that_comes_later_is_waited_for(bus: Bus, ollama_port: int) -> None:
    """The worker starts, says what to do, is ready when the server is, and answers what was asked meanwhile."""
    port, readiness = free_port(), Readiness()
    async with (
        open_stage(settings_for(port), bus) as stage,
        listening(bus, "voice.sentence.>") as said,
        working(bus, stage, readiness=readiness),
    ):
        await wait_until(lambda: "engine" in readiness.missing, "it is not ready")
        assert "ollama serve" in readiness.missing["engine"]
        await bus.publish(transcript("1", CAPITAL[1].content))
        async with Link(port, ollama_port):
            await wait_until(lambda: "engine" not in readiness.missing, "it is ready")
            await settled(bus)
    assert len(ends(said)) == 1


def ends(said: list[Event]) -> list[str]:
    """The attempts that were completed."""
    return [event.attempt for event in said if isinstance(event, Sentence) and event.last]
