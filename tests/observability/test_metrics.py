"""What Prometheus gets from four processes: all that is documented, moved by a turn, and still there in a flood."""

import asyncio
import re
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase
from websockets.asyncio.client import connect

from bus_schemas import Dead, Failed, Utterance, codes
from services.edge import lines, report
from services.runtime import metrics, streams
from services.runtime.bus import Bus
from tests.edge.asking import receive, tone
from tests.harness import listening, wait_until
from tests.observability import fleet, named
from tests.observability.fleet import Fleet, Series, total

PAGE = Path(__file__).resolve().parents[2] / "docs/observability.md"
ROW = re.compile(r"^\| `(voicebus_\w+?)(?:\{([\w,]+)\})?` \| (\w+) \|", re.MULTILINE)
STAGES = ("stt", "llm", "tts")
FLOOD, ORIGINS = 120, 60

pytestmark = pytest.mark.timeout(300)


async def ask(url: str) -> None:
    """One turn of a streaming socket, and one of a socket that gets its answer whole."""
    async with connect(f"{url}?stream=1") as client, asyncio.timeout(30):
        await client.send(tone(1.0))
        while '"done"' not in str(await client.recv()):
            pass
    async with connect(url) as client:
        await client.send(tone(1.0))
        await receive(client, 30)


async def moved(running: Fleet, before: dict[Series, float], name: str, seconds: float = 40, **labels: str) -> float:
    """How much *name* has moved, once it has."""
    for _ in range(round(seconds / 0.2)):
        if by := total(await running.scrape(), name, **labels) - total(before, name, **labels):
            return by
        await asyncio.sleep(0.2)
    raise AssertionError(f"{name} {labels} has not moved")


async def a_turn_moves_what_is_counted(running: Fleet) -> None:
    before = await running.scrape()
    await ask(running.url)
    await moved(running, before, "voicebus_events_total", stage="tts", outcome="finished")
    after = await running.scrape()

    def by(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert by("voicebus_turns_total", outcome="answered") == by("voicebus_turn_seconds_count") == 2
    assert by("voicebus_turns_total") == by("voicebus_opened_sockets_total") == 2
    assert by("voicebus_time_to_first_audio_seconds_count", reply="streamed") == 1
    assert by("voicebus_time_to_first_audio_seconds_count", reply="whole") == 1
    for stage in STAGES:
        assert by("voicebus_queue_wait_seconds_count", stage=stage) >= 2, stage
        assert by("voicebus_service_seconds_count", stage=stage) >= 2, stage
        assert by("voicebus_first_output_seconds_count", stage=stage) >= 2, stage
        assert total(after, "voicebus_places", stage=stage) == 2, stage
    assert by("voicebus_audio_seconds_total", stage="stt") == pytest.approx(2.0)
    assert by("voicebus_audio_seconds_total", stage="tts") > 2
    assert by("voicebus_real_time_factor_count", stage="stt") == 2
    assert total(after, "voicebus_ready") == 4


async def a_flood_breaks_nothing(running: Fleet, bus: Bus) -> None:
    before = await running.scrape()
    flood = [Utterance(origin=f"o{n % ORIGINS}", session=f"s{n}", turn=f"t{n}", wav=tone(0.5)) for n in range(FLOOD)]
    async with listening(bus, "voice.failed.>") as failed, listening(bus, "voice.dead.>") as dead:
        await bus.client.publish("voice.utterance.rude.s", b"", headers={"Voice-Event": "{"})
        await asyncio.gather(*(bus.publish(utterance) for utterance in flood))
        during = [await running.scrape() for _ in range(5)]
        await wait_until(lambda: bool(dead), "the rude one is a dead letter", 60)
    assert max(total(samples, "voicebus_events_running", stage="stt") for samples in during) == 2
    assert await moved(running, before, "voicebus_dead_letters_total", stage="stt", code=codes.NOT_AN_EVENT) == 1
    assert await moved(running, before, "voicebus_stream_bytes", stream="VOICE_DEAD") > 0
    assert all(isinstance(event, Failed) for event in failed)
    assert all(isinstance(event, Dead) for event in dead)
    assert set(await running.scrape()) - set(during[0]) == set(), "a flood makes no new series"


async def what_is_drawn_and_watched_is_there(running: Fleet) -> None:
    """A series for each name of the dashboard and of the alerts, in a scrape of what really runs."""
    there = {name for name, _ in await running.scrape()}
    wanted = await asyncio.to_thread(named.metrics)
    assert wanted - there == set()
    assert len(wanted) > 25


async def test_a_turn_moves_every_counter_and_a_flood_of_many_origins_makes_no_new_series(
    bus: Bus, broker_url: str, tmp_path: Path
) -> None:
    settings = {"SCRIPTED_STT_MS": "50", "SCRIPTED_REPLY": "First this. Then that, and more words to say."}
    dying = {"VOICEBUS_FAILPOINT": "after-delivery", "VOICEBUS_FAILPOINT_MARKER": str(tmp_path / "died")}
    async with fleet.running(broker_url, tmp_path, settings, {"llm": dying}) as running:
        await ask(running.url)
        assert total(await running.scrape(), "voicebus_redeliveries_total", stage="llm") == 1
        await a_turn_moves_what_is_counted(running)
        await a_flood_breaks_nothing(running, bus)
        await what_is_drawn_and_watched_is_there(running)


async def test_a_queue_is_as_deep_as_what_nobody_works_on(bus: Bus) -> None:
    """And an edge that cannot ask any more tells no old number."""

    def depths() -> dict[str, float]:
        samples = [sample for family in lines.QUEUE.collect() for sample in family.samples]
        return {sample.labels["stage"]: sample.value for sample in samples if sample.labels["state"] == lines.WAITING}

    for n in range(3):
        await bus.publish(Utterance(origin="o", session=f"s{n}", turn=f"t{n}", wav=tone(0.1)))
    await lines.look(bus, await streams.standing(bus.jetstream))
    assert depths() == {"stt": 3, "llm": 0, "tts": 0}
    lines.forget()
    assert depths() == {}


def test_the_page_names_every_metric_with_its_kind_and_labels() -> None:
    """And no other."""
    counted = [value for module in (metrics, report, lines) for value in vars(module).values()]
    there = {}
    for metric in (value for value in counted if isinstance(value, MetricWrapperBase)):
        family = next(iter(metric.describe()))
        name = family.name + "_total" * (family.type == "counter")
        there[name] = family.type, metric._labelnames
    rows = {
        name: (kind, tuple(labels.split(",")) if labels else ())
        for name, labels, kind in ROW.findall(PAGE.read_text("utf-8"))
    }
    assert rows == there
