"""A turn by Wyoming, the protocol of Home Assistant: its two servers, chained by the client as an assistant does.

A message is a line of JSON, then `data_length` bytes of JSON, then `payload_length` bytes of sound.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

from services.cli.bench_turn import Timed

from . import scripts

RATE = 16_000
CHUNK_BYTES = 2048
LIMIT = 2**22


class Message(NamedTuple):
    """What a Wyoming server says."""

    kind: str
    data: dict[str, Any]
    payload: bytes


async def ask(samples: bytes, stt: int, tts: int, llm: str, client: httpx.AsyncClient, seconds: float) -> Timed:
    """One turn over the servers' ports; *samples* are 16 kHz, mono, 16-bit. A turn that fails has a problem."""
    try:
        async with asyncio.timeout(seconds):
            return await _asked(samples, stt, tts, llm, client)
    except TimeoutError:
        return Timed(problem=f"no answer within {seconds:g} s")
    except (OSError, EOFError, ValueError, httpx.HTTPError) as error:
        return Timed(problem=f"{type(error).__name__}: {error}"[:200])


async def _asked(samples: bytes, stt: int, tts: int, llm: str, client: httpx.AsyncClient) -> Timed:
    began = time.monotonic()
    heard = await _transcribed(samples, stt)
    reply = await _replied(client, llm, heard)
    first = 0.0
    async with _connected(tts) as (reader, writer):
        await _write(writer, "synthesize", {"text": reply})
        while (message := await _read(reader)).kind != "audio-stop":
            if message.kind == "audio-chunk" and message.payload:
                first = first or time.monotonic() - began
    return Timed(heard, reply, first, time.monotonic() - began)


async def _transcribed(samples: bytes, port: int) -> str:
    sound = {"rate": RATE, "width": 2, "channels": 1}
    async with _connected(port) as (reader, writer):
        await _write(writer, "transcribe", {"language": "en"})
        await _write(writer, "audio-start", sound)
        for start in range(0, len(samples), CHUNK_BYTES):
            await _write(writer, "audio-chunk", sound, samples[start : start + CHUNK_BYTES])
        await _write(writer, "audio-stop", {})
        while (message := await _read(reader)).kind != "transcript":
            pass
    return str(message.data["text"]).strip()


async def _replied(client: httpx.AsyncClient, llm: str, heard: str) -> str:
    messages = [{"role": "system", "content": scripts.SYSTEM}, {"role": "user", "content": heard}]
    request = {"model": "bench", "messages": messages, "temperature": 0, "max_tokens": scripts.MAX_TOKENS}
    response = await client.post(f"{llm}/chat/completions", json=request)
    return str(response.raise_for_status().json()["choices"][0]["message"]["content"]).strip()


@asynccontextmanager
async def _connected(port: int) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter], None]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=LIMIT)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _write(writer: asyncio.StreamWriter, kind: str, data: dict[str, Any], payload: bytes = b"") -> None:
    body = json.dumps(data).encode()
    head = {"type": kind, "version": "1.10.2", "data_length": len(body), "payload_length": len(payload)}
    writer.writelines((json.dumps(head).encode(), b"\n", body, payload))
    await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Message:
    """Raises: EOFError when the server has closed."""
    line = await reader.readline()
    if not line:
        raise EOFError("the Wyoming server closed the connection")
    head = json.loads(line)
    body = await reader.readexactly(head.get("data_length") or 0)
    data = (head.get("data") or {}) | (json.loads(body) if body else {})
    return Message(head["type"], data, await reader.readexactly(head.get("payload_length") or 0))
