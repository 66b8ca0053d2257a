"""A trace context goes on with all that follows from a message or a handshake, without OpenTelemetry."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog
from nats.aio.msg import Msg
from websockets.asyncio.client import connect

from bus_schemas import Event, Sentence, Transcript, codec
from services.edge.settings import EdgeSettings
from services.runtime import log, trace
from services.runtime.bus import Bus, BusSettings
from services.runtime.log import LogSettings
from services.runtime.tracing import TraceSettings, wanted
from tests.edge.asking import answering, edge, receive, tone, two_sentences
from tests.harness import heard, wait_until
from tests.runtime.workers import stage, transcript, working

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=t61rcWkgMzE,other=1"}


@asynccontextmanager
async def messages(bus: Bus) -> AsyncIterator[list[Msg]]:
    """Everything published meanwhile, with its headers."""
    found: list[Msg] = []

    async def keep(message: Msg) -> None:
        found.append(message)

    subscription = await bus.client.subscribe("voice.>", cb=keep)
    await heard(bus.client)
    yield found
    await subscription.unsubscribe()


def traced(message: Msg) -> dict[str, str]:
    """The trace headers of a message."""
    return {name: value for name, value in codec.plain(message.headers).items() if name in trace.NAMES}


@pytest.mark.parametrize(
    ("parent", "kept"),
    [
        (GIVEN["traceparent"], True),
        (f"00-{TRACE}-{PARENT}-00", True),
        (f"cc-{TRACE}-{PARENT}-01-what-comes-later", True),
        (f"00-{TRACE}-{PARENT}-01-more", False),
        (f"ff-{TRACE}-{PARENT}-01", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE}-{PARENT}", False),
        (f"{GIVEN['traceparent']},{GIVEN['traceparent']}", False),
        ("", False),
    ],
)
def test_a_header_is_taken_when_it_is_one(parent: str, kept: bool) -> None:
    """As W3C's recommendation has it; one that is none is as if it were not there."""
    found = trace.of({"traceparent": parent})
    assert (found is not None) == kept
    if found is not None:
        assert found.headers == {"traceparent": f"00-{TRACE}-{PARENT}-{found.flags}"}


@pytest.mark.parametrize("state", ["x" * 513, "a=1\r\nVoice-Event: {}", "a=é", " "])
def test_a_state_that_cannot_travel_is_left_out(state: str) -> None:
    """The parent goes on without it."""
    found = trace.of({**GIVEN, "tracestate": state})
    assert found is not None
    assert found.headers == {"traceparent": GIVEN["traceparent"]}


async def test_what_follows_from_a_message_has_its_headers_and_nothing_else_does(bus: Bus) -> None:
    """Outputs, failures and dead letters; a turn beside it has none."""

    async def handle(event: Transcript) -> AsyncGenerator[Event, None]:
        if event.text == "crash":
            raise ValueError(event.text)
        yield Sentence(attempt="a1", n=0, text=event.text, last=True)

    async with messages(bus) as found, working(bus, stage(handle)):
        for turn, text in (("t1", "hello"), ("t2", "crash")):
            message = codec.encode(transcript(turn, text))
            given = {name.capitalize() if turn == "t2" else name: value for name, value in GIVEN.items()}
            await bus.store(codec.Message(message.subject, message.payload, {**message.headers, **given}))
        await bus.publish(transcript("t3"))
        await wait_until(lambda: len(found) == 7, "all have ended")

    names = {message.subject.split(".")[1]: message for message in found if traced(message)}
    assert set(names) == {"transcript", "sentence", "failed", "dead"}
    assert all(traced(names[name]) == GIVEN for name in ("sentence", "failed", "dead"))
    assert sum(not traced(message) and ".sentence." in message.subject for message in found) == 1


async def test_the_turns_of_a_socket_have_the_headers_of_its_handshake(bus: Bus, bus_settings: BusSettings) -> None:
    """A client that brings none gets none: an edge without OpenTelemetry makes no trace."""
    async with edge(bus_settings, EdgeSettings()) as (server, _), messages(bus) as found, answering(bus, two_sentences):
        for headers in (GIVEN, {}):
            async with connect(f"ws://127.0.0.1:{server.port}/ws", additional_headers=headers) as client:
                for _ in range(2):
                    await client.send(tone(0.2))
                    await receive(client)

    asked = [traced(message) for message in found if message.subject.startswith("voice.utterance.")]
    assert asked == [GIVEN, GIVEN, {}, {}]
    assert {bool(traced(message)) for message in found if message.subject.startswith("voice.speech.")} == {True, False}


async def test_a_log_line_names_the_trace_of_what_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure(LogSettings(log_format="json"), "stt")

    async def work() -> None:
        trace.follow(trace.of(GIVEN))
        await asyncio.create_task(asyncio.sleep(0))
        structlog.get_logger().info("within")

    await asyncio.create_task(work())
    structlog.get_logger().info("outside")
    await asyncio.sleep(0)  # lines are written by the end of a round

    within, outside = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (within["trace_id"], within["span_id"]) == (TRACE, PARENT)
    assert "trace_id" not in outside


@pytest.mark.parametrize(
    ("given", "on"),
    [
        (TraceSettings(), False),
        (TraceSettings(otel_exporter_otlp_endpoint="http://collector:4318"), True),
        (TraceSettings(otel_exporter_otlp_traces_endpoint="http://collector:4318/v1/traces"), True),
        (TraceSettings(otel_traces_exporter="otlp"), True),
        (TraceSettings(otel_exporter_otlp_endpoint="http://collector:4318", otel_traces_exporter="none"), False),
        (TraceSettings(otel_exporter_otlp_endpoint="http://collector:4318", otel_sdk_disabled=True), False),
    ],
)
def test_spans_are_made_where_a_standard_variable_asks_for_them(given: TraceSettings, on: bool) -> None:
    assert wanted(given) == on


def test_nothing_of_opentelemetry_is_imported_while_it_is_off() -> None:
    """Also not when the service runs."""
    program = """
import asyncio, sys
import services.edge.__main__, services.stt.__main__, services.llm.__main__, services.tts.__main__
from services.runtime import tracing
async def run():
    async with tracing.on(tracing.TraceSettings(), "edge"):
        print([name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf", "requests"))])
asyncio.run(run())
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"
