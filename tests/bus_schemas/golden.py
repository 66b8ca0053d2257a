"""The bytes of every sample, kept in files; `python -m tests.bus_schemas.golden` writes the files of new events."""

from pathlib import Path

from bus_schemas import Event, codec
from tests.bus_schemas.samples import SAMPLES

FOLDER = Path(__file__).parent / "golden"


def path(event: Event) -> Path:
    """Where the bytes of an event's sample are kept."""
    return FOLDER / f"{event.NAME}.message"


def written(event: Event) -> bytes:
    """An event as it stands on the bus: the subject, a header a line, an empty line, the payload."""
    message = codec.encode(event)
    lines = [message.subject, *(f"{name}: {value}" for name, value in message.headers.items()), "", ""]
    return "\n".join(lines).encode() + message.payload


def read(data: bytes) -> Event:
    """The event in a file."""
    head, _, payload = data.partition(b"\n\n")
    subject, *lines = head.decode().split("\n")
    return codec.decode(subject, payload, dict(line.split(": ", 1) for line in lines))


if __name__ == "__main__":
    for sample in SAMPLES:
        if not path(sample).exists():
            path(sample).write_bytes(written(sample))
