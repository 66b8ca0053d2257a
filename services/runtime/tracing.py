"""Spans of OpenTelemetry, where they are asked for; without them a trace context is only passed on.

Off unless an `OTEL_*` variable names a receiver: nothing of OpenTelemetry is imported then, and a message costs one
look at its headers.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

import structlog
from msgspec import Struct

from bus_schemas.codec import Message

from . import settings, trace
from .delivery import Delivery
from .trace import TraceContext

if TYPE_CHECKING:
    from .otel import Spans

FLUSH_SECONDS = 2.0
"""What a service that stops leaves for the last spans: a receiver that is away must not hold it."""
PREFIX = "OTEL_"

log = structlog.get_logger()

Ended = Callable[[str], None]
"""Takes how it ended: an outcome of the worker, or an error code."""


class TraceSettings(Struct, frozen=True):
    """OpenTelemetry's own variables that switch traces on; its others mean what they mean everywhere."""

    otel_exporter_otlp_endpoint: str = ""
    """Where spans are sent, OTLP over HTTP, such as http://localhost:4318; empty: there are none. Every other variable
    of OpenTelemetry counts too (OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, OTEL_BSP_SCHEDULE_DELAY, ...)."""
    otel_exporter_otlp_traces_endpoint: str = ""
    """The same, as the whole address with its path."""
    otel_traces_exporter: Literal["", "otlp", "none"] = ""
    """none: no spans, whatever else is set; otlp: spans, to the endpoint or else to localhost."""
    otel_sdk_disabled: bool = False
    """true: no spans, whatever else is set."""
    otel_service_name: str = ""
    """The service's name in traces; empty: voicebus-edge, voicebus-stt, voicebus-llm or voicebus-tts."""


class Turn(Struct, frozen=True):
    """A turn that an edge has put on the bus."""

    context: TraceContext | None
    end: Callable[[str, str, float], None]
    """Takes its outcome, its error code, and the seconds to its first sound, where there was one."""


def wanted(given: TraceSettings) -> bool:
    """Whether there are to be spans."""
    asked = given.otel_exporter_otlp_endpoint or given.otel_exporter_otlp_traces_endpoint or given.otel_traces_exporter
    return bool(asked) and given.otel_traces_exporter != "none" and not given.otel_sdk_disabled


@asynccontextmanager
async def on(given: TraceSettings, service: str) -> AsyncIterator[None]:
    """Have spans for as long as this lasts, where they are asked for and OpenTelemetry is there."""
    global _spans
    _spans = _opened(service) if wanted(given) else None
    try:
        yield
    finally:
        spans, _spans = _spans, None
        if spans is not None:
            await _flushed(spans)


def processing(stage: str, held: Delivery) -> AbstractContextManager[Ended]:
    """While *stage* has a message, in a task of its own; gives what is to be told how it ended."""
    context = trace.of(held.message.headers)
    if _spans is not None:
        return _spans.processing(stage, held, context)
    if context is not None:
        trace.follow(context)
    return _NOBODY


def engine(stage: str) -> AbstractAsyncContextManager[None]:
    """While the engine of *stage* works, and what it makes is published."""
    return _NOTHING if _spans is None else _spans.engine(stage)


def publishing(message: Message) -> AbstractContextManager[Message]:
    """While a message is published; gives it with its trace."""
    return nullcontext(trace.written(message)) if _spans is None else _spans.publishing(message)


def turn(parent: TraceContext | None, origin: str, session: str, name: str) -> Turn:
    """Begin a turn, of a client that brought *parent*."""
    return Turn(parent, _unheard) if _spans is None else _spans.turn(parent, origin, session, name)


def _opened(service: str) -> "Spans | None":
    for name, value in settings.environment().items():  # OpenTelemetry reads no .env
        if name.startswith(PREFIX) and value:
            os.environ.setdefault(name, value)
    try:
        from . import otel
    except ImportError as error:
        log.warning("no_traces", missing=error.name, advice="in a clone: make extra NAME=traces")
        return None
    log.info("traces_on")
    return otel.start(service)


async def _flushed(spans: "Spans") -> None:
    """Send what is left, in a thread that may be left behind: one of asyncio's own would be waited for."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def close() -> None:
        spans.close()
        loop.call_soon_threadsafe(done.set)

    threading.Thread(target=close, name="last-spans", daemon=True).start()
    try:
        async with asyncio.timeout(FLUSH_SECONDS):
            await done.wait()
    except TimeoutError:
        log.warning("spans_lost", advice="see whether the receiver of OTEL_EXPORTER_OTLP_ENDPOINT answers")


def _nobody(_: str) -> None:
    """Nobody wants to know how it ended."""


def _unheard(_: str, __: str, ___: float) -> None:
    """Nobody wants to know how it ended."""


_NOBODY: AbstractContextManager[Ended] = nullcontext(_nobody)
_NOTHING: AbstractAsyncContextManager[None] = nullcontext()
_spans: "Spans | None" = None
