"""One trace holds together across four processes, as a receiver of OTLP gets it."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from websockets.asyncio.client import connect

from bus_schemas import Speech
from services.runtime import offers
from services.runtime.bus import Bus
from services.runtime.offers import Offer
from tests.edge.asking import receive, tone
from tests.harness import listening, wait_until
from tests.observability import fleet, receiver
from tests.observability.fleet import Fleet
from tests.observability.receiver import Receiver, Span

pytestmark = pytest.mark.timeout(300)

CLIENT = "00f067aa0ba902b7"
"""The span of whoever asks: no receiver of ours ever gets it."""
CONVENTION = {"messaging.system", "messaging.operation.name", "messaging.operation.type", "messaging.destination.name"}


def header(trace: str) -> dict[str, str]:
    """What a client that traces sends."""
    return {"traceparent": f"00-{trace}-{CLIENT}-01"}


async def asked(url: str, headers: dict[str, str]) -> None:
    async with connect(url, additional_headers=headers) as client:
        await client.send(tone(0.5))
        await receive(client, 40)


async def whole(got: Receiver, trace: str, services: set[str], enough: int = 1) -> list[Span]:
    """The spans of a trace, once none is missing: each has its parent there or the client, or is the turn."""

    def holds() -> bool:
        spans = got.of(trace)
        ids = {span.id for span in spans} | {CLIENT}
        said = sum(span.name.startswith("publish voice.speech") for span in spans)
        finished = {span.service for span in spans} == services and said >= enough
        return finished and all(span.parent in ids or span.name == "turn" for span in spans)

    await wait_until(holds, f"the trace {trace} is whole", 30)
    return got.of(trace)


def named(spans: list[Span], name: str) -> Span:
    """The one span that has this name."""
    (found,) = (span for span in spans if span.name == name)
    return found


def above(spans: list[Span], span: Span) -> Iterator[str]:
    """The names of a span's parents, up to the first."""
    of = {span.id: span for span in spans}
    while span.parent in of:
        span = of[span.parent]
        yield span.name


def lines(running: Fleet, service: str, trace: str) -> list[str]:
    """The log events of one service that name a trace."""
    written = (running.logs / f"{service}.log").read_text("utf-8").splitlines()
    told = [json.loads(line) for line in written if line.startswith("{")]
    return [line["event"] for line in told if line.get("trace_id") == trace]


async def a_redelivered_turn(running: Fleet, got: Receiver) -> None:
    """llm dies with it in its hands; the next one's span follows from the same message."""
    trace = "1" * 32
    await asked(running.url, header(trace))
    spans = await whole(got, trace, {f"voicebus-{name}" for name in fleet.SERVICES})
    again = named(spans, "process voice.transcript.{origin}.{session}")
    assert again.about["voicebus.deliveries"] == 2
    assert again.seconds[0] - named(spans, "process voice.utterance.{origin}.{session}").seconds[1] > 0.5
    assert next(above(spans, again)) == "publish voice.transcript.{origin}.{session}"


async def a_turn(running: Fleet, got: Receiver) -> None:
    trace = "2" * 32
    await asked(running.url, header(trace))
    spans = await whole(got, trace, {f"voicebus-{name}" for name in fleet.SERVICES})
    turn = named(spans, "turn")
    assert (turn.parent, turn.kind, turn.failed, turn.about["voicebus.outcome"]) == (
        CLIENT,
        "SERVER",
        False,
        "answered",
    )
    spoken = [span for span in spans if span.name == "publish voice.speech.{origin}.{session}"]
    assert list(above(spans, spoken[0])) == [
        "tts engine",
        "process voice.sentence.{origin}.{session}",
        "publish voice.sentence.{origin}.{session}",
        "llm engine",
        "process voice.transcript.{origin}.{session}",
        "publish voice.transcript.{origin}.{session}",
        "stt engine",
        "process voice.utterance.{origin}.{session}",
        "publish voice.utterance.{origin}.{session}",
        "turn",
    ]
    messaging = [span for span in spans if span.kind in ("PRODUCER", "CONSUMER")]
    assert all(set(span.about) >= CONVENTION and span.about["messaging.system"] == "nats" for span in messaging)
    assert {(span.kind, span.about["messaging.operation.type"]) for span in messaging} == {
        ("PRODUCER", "send"),
        ("CONSUMER", "process"),
    }
    told = {name: await asyncio.to_thread(lines, running, name, trace) for name in fleet.SERVICES}
    assert told == {"edge": ["turn_finished"], **{stage: ["event_handled"] for stage in ("stt", "llm", "tts")}}


def about(url: str) -> bytes:
    """What the edge believes that can be asked for."""
    with urllib.request.urlopen(url.replace("ws://", "http://").removesuffix("/ws") + "/about", timeout=5) as answer:
        return bytes(answer.read())


async def a_failed_turn(running: Fleet, got: Receiver, bus: Bus) -> None:
    """Its client brought no trace: the edge made one. It asks for a voice that a worker had which is gone."""
    async with offers.told(bus.client, "tts", Offer(("nobody",))), asyncio.timeout(30):
        for _ in range(200):
            if b"nobody" in await asyncio.to_thread(about, running.url):
                break
            await asyncio.sleep(0.1)
    async with connect(f"{running.url}?voice=nobody&turns=1") as client, asyncio.timeout(30):
        await client.send(tone(0.5))
        name = msgspec.json.decode(await client.recv())["turn"]
        assert "refused.voice" in str(await client.recv())
    await wait_until(lambda: any(span.about.get("voicebus.turn") == name for span in got.spans), "the turn has ended")
    (turn,) = (span for span in got.spans if span.about.get("voicebus.turn") == name)
    assert (turn.parent, turn.failed, turn.about["error.type"]) == ("", True, "refused.voice")
    spans = await whole(got, turn.trace, {f"voicebus-{service}" for service in fleet.SERVICES}, enough=0)
    spoke = [span for span in spans if span.name == "process voice.sentence.{origin}.{session}"]
    assert all(span.failed and span.about["error.type"] == "refused" for span in spoke)
    told = [span for span in spans if span.name == "publish voice.failed.{origin}.{session}"]
    assert [next(above(spans, span)) for span in told] == [span.name for span in spoke]


async def a_turn_of_a_bare_publisher(got: Receiver, bus: Bus) -> None:
    """A WAV and one header, and nothing else of ours."""
    trace = "4" * 32
    async with listening(bus, "voice.speech.kiosk.*") as spoken:
        await bus.client.publish("voice.utterance.kiosk.lobby", tone(0.5), headers=header(trace))
        await wait_until(lambda: any(isinstance(event, Speech) and event.last for event in spoken), "it is answered")
    spans = await whole(got, trace, {"voicebus-stt", "voicebus-llm", "voicebus-tts"})
    assert [span.name for span in spans if span.parent == CLIENT] == ["process voice.utterance.{origin}.{session}"]


@pytest.fixture
def got() -> Iterator[Receiver]:
    """A receiver of spans."""
    with receiver.listening() as listening_receiver:
        yield listening_receiver


async def test_a_trace_holds_together_across_four_services(
    got: Receiver, bus: Bus, broker_url: str, tmp_path: Path
) -> None:
    """For a turn that is redelivered, a turn, one that fails, and one that never saw an edge."""
    dying = {"VOICEBUS_FAILPOINT": "after-delivery", "VOICEBUS_FAILPOINT_MARKER": str(tmp_path / "died")}
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": got.url,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "SCRIPTED_REPLY": "Here is a short answer.",
    }
    async with fleet.running(broker_url, tmp_path, settings, {"llm": dying}) as running:
        await a_redelivered_turn(running, got)
        await a_turn(running, got)
        await a_failed_turn(running, got, bus)
        await a_turn_of_a_bare_publisher(got, bus)
