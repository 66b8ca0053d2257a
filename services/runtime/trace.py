"""W3C trace context: what a handshake or a message brought goes on with every message and log line that follows of it.

It travels as two headers of NATS, `traceparent` and `tracestate`, beside `Voice-Event`, with or without OpenTelemetry:
`tracing.py` has the spans.
"""

import re
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec
from msgspec import Struct

from bus_schemas import codec
from bus_schemas.codec import Message

TRACEPARENT, TRACESTATE = NAMES = ("traceparent", "tracestate")
AS_IN_HTTP = {name: name.capitalize() for name in NAMES}
MOST_STATE = 512
"""Characters: what everybody has to pass on, and what leaves room for the longest header of an event."""

_PARENT = re.compile(r"\A(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z")
_STATE = re.compile(rf"\A[\x21-\x7e][\x20-\x7e]{{0,{MOST_STATE - 1}}}\Z")


class TraceContext(Struct, frozen=True):
    """Where in a trace something belongs."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 of them: what it follows from."""
    flags: str = "00"
    state: str = ""
    """The tracing systems' own, passed on as it came."""
    remote: bool = True
    """Another process made the span."""

    @property
    def headers(self) -> dict[str, str]:
        """As it is written beside an event."""
        parent = {TRACEPARENT: f"00-{self.trace_id}-{self.span_id}-{self.flags}"}
        return {**parent, TRACESTATE: self.state} if self.state else parent


_current: ContextVar[TraceContext | None] = ContextVar("trace_context", default=None)


def current() -> TraceContext | None:
    """That of what this task works on."""
    return _current.get()


def follow(context: TraceContext | None) -> None:
    """From now on this task works on something of *context*."""
    _current.set(context)


@contextmanager
def within(context: TraceContext | None) -> Iterator[None]:
    """Work on something of *context* for a while."""
    before = _current.set(context)
    try:
        yield
    finally:
        _current.reset(before)


def of(headers: codec.Headers | None) -> TraceContext | None:
    """What *headers* bring; None where there is nothing, or nothing that anybody could mean."""
    parent = _one(headers, TRACEPARENT) if headers else ""
    found = _PARENT.match(parent) if parent else None
    if headers is None or found is None or (found[1] == "00" and found[5]):
        return None
    state = _one(headers, TRACESTATE)
    return TraceContext(found[2], found[3], found[4], state if _STATE.match(state) else "")


def written(message: Message) -> Message:
    """*message* with the trace of what this task works on."""
    context = _current.get()
    if context is None:
        return message
    return msgspec.structs.replace(message, headers={**message.headers, **context.headers})


def into_log(_: object, __: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Names the trace in a log line."""
    context = _current.get()
    if context is not None:
        line.setdefault("trace_id", context.trace_id)
        line.setdefault("span_id", context.span_id)
    return line


def _one(headers: codec.Headers, name: str) -> str:
    """A header's value; some clients write its first letter large, as in HTTP."""
    value = headers.get(name) or headers.get(AS_IN_HTTP[name]) or ""
    return value if isinstance(value, str) else ",".join(value)
