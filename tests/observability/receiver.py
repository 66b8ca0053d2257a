"""A receiver of OTLP over HTTP, as a collector is one: it keeps every span that it is sent."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent
from opentelemetry.proto.trace.v1.trace_pb2 import Status


class Span(Struct, frozen=True):
    """What a span says of itself."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    """Empty: the first of its trace."""
    seconds: tuple[float, float]
    """From when to when."""
    failed: bool
    about: dict[str, str | int | float]


class Receiver(Struct):
    """Where it listens, and what it was sent."""

    url: str
    spans: list[Span]

    def of(self, trace: str) -> list[Span]:
        """Every span of one trace, by its beginning."""
        return sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.seconds)


@contextmanager
def listening() -> Iterator[Receiver]:
    """Take spans until the end of the block."""
    receiver = Receiver("", [])

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            request = ExportTraceServiceRequest.FromString(gzip.decompress(body) if packed else body)
            assert self.path == "/v1/traces"
            receiver.spans.extend(read(request))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            """No line of the log a request."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Take) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def read(request: ExportTraceServiceRequest) -> Iterator[Span]:
    """The spans of one request."""
    for resource in request.resource_spans:
        service = str(_values(resource.resource.attributes)["service.name"])
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    service,
                    span.name,
                    Sent.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    (span.start_time_unix_nano / 1e9, span.end_time_unix_nano / 1e9),
                    span.status.code == Status.STATUS_CODE_ERROR,
                    _values(span.attributes),
                )


def _values(attributes: "list[KeyValue]") -> dict[str, str | int | float]:
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in attributes}
