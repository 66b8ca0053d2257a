"""What waits on the bus, and what its streams hold, as numbers for an operator; every edge tells the same ones."""

from collections.abc import Mapping

from nats.js.api import StreamInfo
from prometheus_client import Gauge

from services.runtime import backlog, streams
from services.runtime.bus import Bus

WAITING, WORKED_ON = "waiting", "worked_on"

QUEUE = Gauge("voicebus_queue_messages", "Events of a work queue, waiting or being worked on.", ["stage", "state"])
MESSAGES = Gauge("voicebus_stream_messages", "Messages in a stream.", ["stream"])
BYTES = Gauge("voicebus_stream_bytes", "Bytes in a stream.", ["stream"])
MOST_BYTES = Gauge("voicebus_stream_limit_bytes", "Bytes that a stream may hold.", ["stream"])
ALL = (QUEUE, MESSAGES, BYTES, MOST_BYTES)


async def look(bus: Bus, standing: Mapping[str, StreamInfo]) -> None:
    """Tell the queues, and the streams as they are *standing*. Raises: Unavailable."""
    for stream, stage in streams.CONSUMERS.items():
        if stream in standing:
            queue = await backlog.queue(bus, stream)
            QUEUE.labels(stage, WAITING).set(queue.num_pending)
            QUEUE.labels(stage, WORKED_ON).set(queue.num_ack_pending)
    for stream, info in standing.items():
        MESSAGES.labels(stream).set(info.state.messages)
        BYTES.labels(stream).set(info.state.bytes)
        MOST_BYTES.labels(stream).set(info.config.max_bytes or 0)


def forget() -> None:
    """Nobody knows at present: an old number would be taken for a new one."""
    for gauge in ALL:
        gauge.clear()
