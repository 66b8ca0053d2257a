"""Streams that are recorded, and the command as an operator runs it."""

import asyncio
import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from bus_schemas import Event, Failed, Speech, Utterance
from services.runtime.bus import Bus, BusSettings
from services.runtime.streams import LOG, StreamSettings
from tests.cli import commands
from tests.edge.asking import tone
from tests.fundamentals.conftest import stages as stages  # a fixture
from tests.harness import listening, wait_until


@pytest.fixture
def stream_settings() -> StreamSettings:
    """The record is on."""
    return StreamSettings(ack_wait=1.0, voicebus_record=True)


class Operator:
    """Runs `voicebus` in a folder, on the broker of the test."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self._settings: dict[str, object] = {"NATS_URL": url, "NATS_CONNECT_SECONDS": 2}

    async def __call__(self, *words: str, code: int = 0, **settings: object) -> str:
        done = await self.tries(*words, **settings)
        assert done.returncode == code, done.stderr
        return done.stdout

    async def tries(self, *words: str, **settings: object) -> CompletedProcess[str]:
        wanted = self._settings | settings
        return await asyncio.to_thread(lambda: commands.run(self.folder, *words, given=b"", **wanted))

    async def lines(self, *words: str, code: int = 0, **settings: object) -> list[dict[str, object]]:
        return [json.loads(line) for line in (await self(*words, "--json", code=code, **settings)).splitlines()]

    async def read(self, name: object) -> bytes:
        return await asyncio.to_thread((self.folder / str(name)).read_bytes)


@pytest.fixture
def operator(tmp_path: Path, bus_settings: BusSettings) -> Operator:
    return Operator(tmp_path, bus_settings.nats_url)


def question(turn: str, session: str = "s1", wav: bytes = b"", origin: str = "kiosk") -> Utterance:
    return Utterance(origin=origin, session=session, turn=turn, wav=wav or tone(1))


def ended(events: list[Event], turn: str) -> bool:
    """Whether the turn has an answer that is whole, or a failure."""
    mine = [event for event in events if event.turn == turn]
    return any(isinstance(event, Failed) or (isinstance(event, Speech) and event.last and event.end) for event in mine)


async def asked(bus: Bus, utterance: Utterance) -> None:
    """Ask, and wait for the end of the turn."""
    async with listening(bus, f"voice.*.{utterance.origin}.{utterance.session}") as events:
        await bus.publish(utterance)
        await wait_until(lambda: ended(events, utterance.turn), "the turn has ended")
    await settled(bus)


async def settled(bus: Bus) -> None:
    """Wait until nothing more comes to the record: a copy is stored right after its original."""
    before = -1
    while (now := (await bus.jetstream.stream_info(LOG)).state.messages) != before:
        before = now
        await asyncio.sleep(0.1)
