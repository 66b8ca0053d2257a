"""`voicebus talk`: a spoken conversation in a terminal, with the microphone and the speaker of this machine."""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.runtime.errors import StartError

from . import caller, signals, talk_conversation
from .client import Client
from .talk_conversation import Enter
from .talk_devices import Devices


def run(words: argparse.Namespace) -> int:
    """Talk until Ctrl-C.

    Raises: StartError without devices; NoAnswer without an edge.
    """
    try:
        asyncio.run(signals.until_stopped(_talk(caller.of(words, stream=True), words)))
    except signals.Stopped:
        return 0
    return 0


async def _talk(client: Client, words: argparse.Namespace) -> None:
    devices = await asyncio.to_thread(Devices, words.microphone, words.speaker)
    async with devices, client, enters() as enter:
        await talk_conversation.talk(client, devices.record, devices.play, enter)


@asynccontextmanager
async def enters() -> AsyncIterator[Enter]:
    """Waits for Enter, on a terminal or out of a pipe."""
    pressed: asyncio.Queue[bool] = asyncio.Queue()
    loop, stdin = asyncio.get_running_loop(), sys.stdin.fileno()

    def readable() -> None:
        data = os.read(stdin, 4096)
        for _ in range(data.count(b"\n")):
            pressed.put_nowait(True)
        if not data:
            loop.remove_reader(stdin)
            pressed.put_nowait(False)

    try:
        loop.add_reader(stdin, readable)
    except PermissionError as error:  # a file is always readable, and no key
        raise StartError("talk waits for a key: start it in a terminal, or give it a pipe") from error
    try:
        yield pressed.get
    finally:
        loop.remove_reader(stdin)
