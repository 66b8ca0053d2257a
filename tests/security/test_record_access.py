"""Who may turn the record on, and who may read it, on the broker of deploy/nats/nats.conf."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import asdict

from bus_schemas import Transcript
from services.cli import erase, forget, provisioning, record
from services.cli.record import Wanted
from services.runtime import bus as buses
from services.runtime import streams
from services.runtime.errors import BusLost, StartError
from tests.security.locked import Locked, running


def environ(locked: Locked, role: str, **more: str) -> dict[str, str]:
    settings = asdict(locked.settings(role))
    return {name.upper(): str(value) for name, value in settings.items()} | more


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Locked]:
    """A broker of this test alone, without streams."""
    with running(tmp_path / "broker") as broker:
        yield broker


async def test_a_person_turns_it_on_where_streams_stand_and_alone_may_read_it(fresh: Locked) -> None:
    assert await provisioning.make_streams(environ(fresh, "setup")) == []
    with pytest.raises(StartError, match="as the broker's operator"):
        await provisioning.make_streams(environ(fresh, "setup", VOICEBUS_RECORD="1"))
    assert await provisioning.make_streams(environ(fresh, "operator", VOICEBUS_RECORD="1")) == []
    assert await provisioning.make_streams(environ(fresh, "setup", VOICEBUS_RECORD="1")) == []

    async with buses.connect(fresh.settings("stt"), "stt") as stt:
        await stt.publish(Transcript(origin="web", session="s", turn="t", text="hello", seconds=1.0))
    async with buses.connect(fresh.settings("operator"), "operator") as operator:
        (found,) = await operator.unless_lost(record.events(operator, Wanted()))
    assert found.event.turn == "t"
    for role in ("edge", "observer", "llm"):
        async with buses.connect(fresh.settings(role), role) as bus:
            with pytest.raises(BusLost, match=r"(?i)forbids it.*voice_log"):
                await bus.unless_lost(record.events(bus, Wanted()))


async def test_a_person_alone_may_have_a_session_forgotten(fresh: Locked) -> None:
    assert await provisioning.make_streams(environ(fresh, "setup", VOICEBUS_RECORD="1")) == []
    async with buses.connect(fresh.settings("stt"), "stt") as stt:
        await stt.publish(Transcript(origin="web", session="s", turn="t", text="hello", seconds=1.0))
    for role in ("edge", "llm"):
        async with buses.connect(fresh.settings(role), role) as bus:
            with pytest.raises(BusLost, match=r"(?i)forbids it"):
                await bus.unless_lost(forget.forget(bus, "web", "s"))
    async with buses.connect(fresh.settings("operator"), "operator") as operator:
        erased = await operator.unless_lost(forget.forget(operator, "web", "s"))
        state = (await operator.jetstream.stream_info(f"KV_{streams.MEMORY}")).state
    assert (erased[erase.RECORD], erased[erase.QUEUES], state.messages) == (1, 1, 0)
