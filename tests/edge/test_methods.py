"""Every HTTP request has an answer, whatever its method is, and whether or not it has a body."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import pytest

from bus_schemas import codes
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.runtime import health
from services.runtime.bus import BusSettings
from services.runtime.health import Readiness
from tests.edge.asking import edge

CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"
BODIES = {
    "a form": b"Content-Length: 3\r\n\r\nx=1",
    "chunks": CHUNKED,
    "a body that is announced first": b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    "more than it says": b"Content-Length: 1\r\n\r\n" + b"x" * 1000,
    "less than it says": b"Content-Length: 100\r\n\r\nx",
    "lower case and spaces": b"content-length :  3\r\n\r\nx=1",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nx=1",
    "no number": b"Content-Length: many\r\n\r\n",
    "an empty one": b"Content-Length: 0\r\n\r\n",
    "none": b"\r\n",
    "ten megabytes": b"Content-Length: 10000000\r\n\r\n" + bytes(10_000_000),
}


@pytest.fixture
async def server(bus_settings: BusSettings) -> AsyncIterator[Edge]:
    async with edge(bus_settings, EdgeSettings()) as (running, _):
        yield running


def exchanged(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send one request, and read its answer to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        with contextlib.suppress(ConnectionError):  # the answer is there before all of the body is
            connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def asked(method: str, path: str, rest: bytes) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n".encode() + rest


@pytest.mark.parametrize("rest", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("path", ["/", "/ws", "/healthz", "/nowhere"])
async def test_a_request_with_a_body_is_told_that_there_is_nothing_to_post(
    server: Edge, path: str, rest: bytes
) -> None:
    """In JSON, as every other refusal; at a path where nothing is, that comes first."""
    status, headers, body = await asyncio.to_thread(exchanged, server.port, asked("POST", path, rest))
    unknown = path == "/nowhere"
    assert status == (404 if unknown else 405)
    assert json.loads(body)["error"]["code"] == (codes.UNKNOWN_PATH if unknown else codes.METHOD)
    assert headers.get("allow") == (None if unknown else "get, head")
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "BREW"])
async def test_every_method_that_is_no_question_is_told_so(server: Edge, method: str) -> None:
    status, headers, body = await asyncio.to_thread(exchanged, server.port, asked(method, "/ws", b"\r\n"))
    assert (status, headers["allow"]) == (405, "get, head")
    assert method in json.loads(body)["error"]["message"]


async def test_a_head_that_comes_byte_by_byte_is_read_too(server: Edge) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for byte in asked("POST", "/ws", BODIES["a form"]):
        writer.write(bytes([byte]))
        await writer.drain()
    assert (await reader.readline()).startswith(b"HTTP/1.1 405 ")
    writer.close()


async def test_a_page_that_is_got_with_a_body_is_given(server: Edge) -> None:
    """Some programs send one with everything."""
    status, _, body = await asyncio.to_thread(exchanged, server.port, asked("GET", "/healthz", BODIES["a form"]))
    assert (status, body) == (200, b'{"alive":true}')


async def test_the_health_port_of_a_worker_answers_them_too() -> None:
    async with health.listen("127.0.0.1", 0, Readiness()) as port:
        for rest in BODIES.values():
            status, _, body = await asyncio.to_thread(exchanged, port, asked("POST", "/readyz", rest))
            assert status == 405
            assert json.loads(body)["error"]["code"] == codes.METHOD
