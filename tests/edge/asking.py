"""An edge in this process, a client that knows only the old contract, and workers that answer for all three stages."""

import asyncio
import io
import math
import struct
import wave
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import msgspec
from websockets.asyncio.client import ClientConnection

from bus_schemas import Event, Speech, Utterance, codes
from services.edge import server
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.runtime import bus as buses
from services.runtime.bus import Bus, BusSettings
from services.runtime.health import Readiness
from services.runtime.stage import Handle, Stage
from services.runtime.streams import UTTERANCE
from services.runtime.worker import Worker, WorkerSettings


def tone(seconds: float, rate: int = 16_000, channels: int = 1) -> bytes:
    """A WAV file with a low tone."""
    output = io.BytesIO()
    with wave.open(output, "wb") as file:
        file.setparams((channels, 2, rate, 0, "NONE", "not compressed"))
        period = b"".join(
            struct.pack("<h", round(3000 * math.sin(2 * math.pi * i / 100))) * channels for i in range(100)
        )
        file.writeframes((period * (int(seconds * rate) // 100 + 1))[: int(seconds * rate) * 2 * channels])
    return output.getvalue()


def length(wav: bytes) -> tuple[int, float]:
    """Rate and seconds of a WAV file."""
    with wave.open(io.BytesIO(wav)) as file:
        return file.getframerate(), file.getnframes() / file.getframerate()


@asynccontextmanager
async def edge(bus_settings: BusSettings, settings: EdgeSettings) -> AsyncIterator[tuple[Edge, Bus]]:
    """An edge that listens on a free port, and its connection to the bus."""
    async with (
        buses.connect(bus_settings, "edge", no_echo=True) as bus,
        server.listen(msgspec.structs.replace(settings, port=0), bus, Readiness()) as listening,
    ):
        yield listening, bus


@asynccontextmanager
async def answering(bus: Bus, handle: Handle, credit: int = 4) -> AsyncIterator[None]:
    """A worker that takes utterances and gives whatever *handle* yields."""

    async def fine() -> None:
        """It can always work."""

    stage = Stage(name="stt", stream=UTTERANCE, handle=handle, credit=credit, probe=fine)
    stopping = asyncio.Event()
    worker = asyncio.create_task(Worker(bus, stage, WorkerSettings(), Readiness(), "test").run(stopping))
    try:
        yield
    finally:
        stopping.set()
        await asyncio.wait_for(worker, 15)


def speech(n: int, *, last: bool, seconds: float = 0.5, said: str = "a question") -> Speech:
    """Sentence *n* of an answer, spoken in one piece."""
    return Speech(
        attempt="a",
        n=n,
        take=f"t{n}",
        end=True,
        last=last,
        text=f"Sentence {n}.",
        transcription=said,
        reply="The reply." if last else "",
        wav=tone(seconds, 24_000),
    )


async def two_sentences(utterance: Utterance) -> AsyncGenerator[Event, None]:
    """Tells the length of what it heard; the second sentence is spoken first."""
    said = f"{length(utterance.wav)[1]:g} s"
    yield speech(1, last=True, said=said)
    yield speech(0, last=False, said=said)


class Frames(msgspec.Struct):
    """The two frames of an answer."""

    text: dict[str, object]
    wav: bytes


async def receive(client: ClientConnection, seconds: float = 15) -> Frames:
    """An answer, exactly as the old contract has it: a JSON text frame, then a binary WAV."""
    text = await asyncio.wait_for(client.recv(), seconds)
    assert isinstance(text, str), "the first frame is text"
    wav = await asyncio.wait_for(client.recv(), seconds)
    assert isinstance(wav, bytes), "the second frame is binary"
    return Frames(msgspec.json.decode(text), wav)


async def refused(client: ClientConnection, seconds: float = 15) -> str:
    """The code of an error frame."""
    text = await asyncio.wait_for(client.recv(), seconds)
    assert isinstance(text, str), "an error is a text frame"
    error = msgspec.json.decode(text)
    assert set(error) == {"error"}
    assert set(error["error"]) - {"retry_after"} == {"code", "message"}
    assert ("retry_after" in error["error"]) == (error["error"]["code"] == codes.BUSY)
    assert str(error["error"]["message"]).endswith(".")
    return str(error["error"]["code"])
