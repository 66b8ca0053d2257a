"""The spans of OpenTelemetry, by its conventions for messaging; only `tracing.py` imports this, and only when asked."""

import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
    use_span,
)

from bus_schemas import codec
from bus_schemas.codec import Message

from . import trace
from .delivery import Delivery
from .trace import TraceContext
from .tracing import Ended, Turn

FINE = frozenset({"finished", "cancelled", "answered", "silent", "closed"})
"""Every other end is an error."""

Attributes = Mapping[str, str | int | float]


class Spans:
    """Makes them and sends them."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("voicebus")

    def close(self) -> None:
        """Send what is left; it may take as long as the receiver takes."""
        self._provider.shutdown()

    @contextmanager
    def processing(self, stage: str, held: Delivery, parent: TraceContext | None) -> Iterator[Ended]:
        """A stage has a message. A redelivered one has a second span under the same parent."""
        message = held.message
        about = _about("process", "process", message.subject) | {
            "messaging.consumer.group.name": stage,
            "messaging.message.body.size": len(message.data),
            "messaging.message.id": codec.plain(message.headers).get(codec.MESSAGE_ID, ""),
            "voicebus.deliveries": held.deliveries,
            "voicebus.queue_seconds": round(max(0.0, time.time() - held.stored_at), 4),
        }
        with self._entered(f"process {_template(message.subject)}", SpanKind.CONSUMER, about, parent) as span:
            yield lambda outcome: _end(span, outcome, "" if outcome in FINE else outcome)

    @asynccontextmanager
    async def engine(self, stage: str) -> AsyncIterator[None]:
        """An engine works: the span of what it makes."""
        with self._entered(f"{stage} engine", SpanKind.INTERNAL, {}, trace.current()):
            yield

    @contextmanager
    def publishing(self, message: Message) -> Iterator[Message]:
        """A message is published, and carries this span."""
        about = _about("publish", "send", message.subject) | {
            "messaging.message.body.size": len(message.payload),
            "messaging.message.id": message.headers.get(codec.MESSAGE_ID, ""),
        }
        with self._entered(f"publish {_template(message.subject)}", SpanKind.PRODUCER, about, trace.current()):
            yield trace.written(message)

    def turn(self, parent: TraceContext | None, origin: str, session: str, name: str) -> Turn:
        """A turn of a socket, from its publishing to the end of its reply."""
        about = {"voicebus.origin": origin, "session.id": session, "voicebus.turn": name}
        span = self._tracer.start_span("turn", _within(parent), SpanKind.SERVER, about)

        def end(outcome: str, code: str, first_sound: float) -> None:
            if first_sound:
                span.set_attribute("voicebus.time_to_first_audio", round(first_sound, 4))
            _end(span, outcome, code or ("" if outcome in FINE else outcome))
            span.end()

        return Turn(_context(span), end)

    @contextmanager
    def _entered(self, name: str, kind: SpanKind, about: Attributes, parent: TraceContext | None) -> Iterator[Span]:
        span = self._tracer.start_span(name, _within(parent), kind, dict(about))
        with use_span(span, end_on_exit=True), trace.within(_context(span)):
            yield span


def start(service: str) -> Spans:
    """Begin to make spans and to send them as the `OTEL_*` variables say."""
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    name = {} if named else {"service.name": f"voicebus-{service}"}
    provider = TracerProvider(
        resource=Resource.create({"service.namespace": "voicebus", **name}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Spans(provider)


def _about(operation: str, kind: str, subject: str) -> dict[str, str | int | float]:
    """What the conventions want to be said of every message. A destination's name has no session: it groups spans."""
    _, _, origin, session = [*subject.split("."), "", "", "", ""][:4]
    return {
        "messaging.system": "nats",
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
        "messaging.destination.name": _template(subject),
        "messaging.destination.template": _template(subject),
        "voicebus.origin": origin,
        "session.id": session,
    }


def _template(subject: str) -> str:
    return ".".join([*subject.split(".")[:2], "{origin}", "{session}"])


def _end(span: Span, outcome: str, error: str) -> None:
    span.set_attribute("voicebus.outcome", outcome)
    if error:
        span.set_attribute("error.type", error)
        span.set_status(Status(StatusCode.ERROR, error))


def _context(span: Span) -> TraceContext:
    told = span.get_span_context()
    state = told.trace_state.to_header()
    return TraceContext(f"{told.trace_id:032x}", f"{told.span_id:016x}", f"{told.trace_flags:02x}", state, remote=False)


def _within(parent: TraceContext | None) -> Context:
    """What a new span is made in; a trace of its own where there is no parent."""
    if parent is None:
        return Context()
    told = SpanContext(
        int(parent.trace_id, 16),
        int(parent.span_id, 16),
        parent.remote,
        TraceFlags(int(parent.flags, 16)),
        TraceState.from_header([parent.state]),
    )
    return set_span_in_context(NonRecordingSpan(told), Context())
