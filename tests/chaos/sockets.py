"""Clients of the WebSocket: each asks, waits, listens for what should not come, and asks again."""

import asyncio
import json
import random

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from . import turns, words
from .turns import Desk, Turn

TURN_SECONDS = 60
GRACE_SECONDS = 15.0
"""A client that hears nothing so long after its time-out calls its question lost."""
LONGEST_THOUGHT = 8.0
RECONNECT_SECONDS = 0.3


async def converse(desk: Desk, url: str, session: str, dice: random.Random) -> None:
    """Ask questions, one after the other, until the desk is closed; connect again whenever the socket ends."""
    while not desk.closed:
        try:
            address = f"{url}?session={session}&timeout={TURN_SECONDS}"
            async with connect(address, open_timeout=10, max_size=None, proxy=None) as socket:
                while not desk.closed:
                    turn = desk.ask("socket")
                    await _ask(socket, turn)
                    await _think(socket, turn, dice.uniform(0, LONGEST_THOUGHT))
        except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
            await asyncio.sleep(RECONNECT_SECONDS)


async def _ask(socket: ClientConnection, turn: Turn) -> None:
    try:
        async with asyncio.timeout(TURN_SECONDS + GRACE_SECONDS):
            await socket.send(words.question(turn.number))
            await _ending(socket, turn)
    except ConnectionClosed as error:
        turns.failed(turn, f"closed {error.rcvd.code if error.rcvd else 'without a word'}")
        raise


async def _ending(socket: ClientConnection, turn: Turn) -> None:
    told = json.loads(await socket.recv())
    if "error" in told:
        turns.failed(turn, told["error"]["code"])
        return
    speech = await socket.recv()
    sound = words.samples(speech) if isinstance(speech, bytes) else b"text, where sound was to come"
    turns.answered(turn, told["transcription"], told["llama"], sound)


async def _think(socket: ClientConnection, turn: Turn, seconds: float) -> None:
    """Whatever comes now is a second ending of the turn before."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                frame = await socket.recv()
                if isinstance(frame, str):
                    turn.failures += 1
    except TimeoutError:
        return
