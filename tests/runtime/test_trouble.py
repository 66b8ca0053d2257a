"""A broker that answers and stores nothing: seen by what is not confirmed, and by its own health."""

from pathlib import Path

import pytest

from services.cli import broker
from services.runtime import broker_health, streams
from services.runtime import bus as buses
from services.runtime.bus import Bus
from services.runtime.errors import Unavailable
from tests.harness import free_port
from tests.runtime.workers import transcript


async def test_a_message_that_is_not_confirmed_while_the_broker_answers_is_trouble_until_one_is(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stream without PubAcks keeps silent as one does whose disk was full."""
    monkeypatch.setattr(buses, "PUBLISH_SECONDS", 0.5)
    config = (await bus.jetstream.stream_info(streams.TRANSCRIPT)).config
    await bus.jetstream.update_stream(config.evolve(no_ack=True))
    with pytest.raises(Unavailable):
        await bus.publish(transcript("t1"))
    await bus.check()
    assert "stores nothing on voice.transcript.*" in bus.stuck

    await bus.jetstream.update_stream(config)
    await bus.publish(transcript("t2"))
    assert bus.stuck == ""


async def test_what_was_not_confirmed_is_forgotten_after_a_while(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may publish there any more: it must not keep a service unready for ever."""
    bus._unconfirmed["transcript"] = 0.0
    monkeypatch.setattr(buses, "UNCONFIRMED_SECONDS", 0.0)
    assert bus.stuck == ""


async def test_the_health_of_a_broker_is_its_own_word(tmp_path: Path) -> None:
    """Well; and where nobody answers, or something else does, nothing is known."""
    monitor = free_port()
    async with broker.start(free_port(), tmp_path, monitor=monitor):
        assert await broker_health.trouble(broker.health_url(monitor)) == ""
        assert await broker_health.trouble(f"http://127.0.0.1:{monitor}/varz") == ""
    assert await broker_health.trouble(broker.health_url(monitor)) == ""
    assert await broker_health.trouble("no address") == ""
    assert await broker_health.trouble("") == ""


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"status":"ok"}', ""),
        (b'{"status":"unavailable","error":"stream write error"}', "the broker is not well: stream write error"),
        (b'{"status":"unavailable"}', "the broker is not well: unavailable"),
        (b"<html>", ""),
    ],
)
def test_what_is_no_health_says_nothing(body: bytes, told: str) -> None:
    assert broker_health._told(body) == told
