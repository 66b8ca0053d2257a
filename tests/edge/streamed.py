"""A client of a streaming socket: what it is told of a turn, frame by frame."""

import asyncio

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect

from services.edge.server import Edge

Told = dict[str, object]


class Frame(Struct):
    """A text frame, and the WAV that followed it where it names a piece."""

    text: Told
    wav: bytes = b""


def ask(server: Edge, query: str = "", headers: dict[str, str] | None = None) -> connect:
    return connect(f"ws://127.0.0.1:{server.port}/ws?stream=1{query}", additional_headers=headers)


async def frame(client: ClientConnection, seconds: float = 15) -> Frame:
    """The next frame."""
    async with asyncio.timeout(seconds):
        text = await client.recv()
        assert isinstance(text, str), "sound comes after a frame that names it"
        told = Frame(msgspec.json.decode(text))
        if "n" in told.text:
            wav = await client.recv()
            assert isinstance(wav, bytes), "the sound of a piece follows its frame"
            told.wav = wav
        return told


async def turn(client: ClientConnection) -> list[Frame]:
    """All that is told of a turn; the last is its end."""
    frames = [await frame(client)]
    while not {"done", "error"} & set(frames[-1].text):
        frames.append(await frame(client))
    return frames


def texts(frames: list[Frame]) -> list[Told]:
    return [each.text for each in frames]
