"""What waits in a work queue, as the broker has it."""

import math

import msgspec
from msgspec import Struct
from nats.errors import Error as NatsError

from bus_schemas import Utterance, subjects

from . import streams
from .bus import Bus
from .errors import Unavailable
from .heed import heed_cancel
from .shares import Backlog

LOOK_SECONDS = 1.0
"""How long a look may take; a broker that is so slow has other worries."""
_EVERYBODY = msgspec.json.encode({"subjects_filter": subjects.every(Utterance)})


class _Limits(Struct, frozen=True):
    max_msgs: int = -1
    max_bytes: int = -1
    max_age: int = 0
    """Nanoseconds; 0: no limit."""


class _State(Struct, frozen=True):
    messages: int = 0
    bytes: int = 0
    subjects: dict[str, int] = {}


class _Stream(Struct, frozen=True):
    config: _Limits = _Limits()
    state: _State = _State()


class _Delivered(Struct, frozen=True):
    consumer_seq: int = 0


class Queue(Struct, frozen=True):
    """How a consumer stands."""

    num_pending: int = 0
    """Messages that nobody has been given yet."""
    num_ack_pending: int = 0
    """Messages that are being worked on."""
    delivered: _Delivered = _Delivered()

    @property
    def finished(self) -> int:
        """Deliveries that were settled, since the consumer was made."""
        return self.delivered.consumer_seq - self.num_ack_pending


async def utterances(bus: Bus) -> Backlog:
    """Who has unfinished utterances, by origin. Raises: Unavailable."""
    answer = await _ask(bus, f"$JS.API.STREAM.INFO.{streams.UTTERANCE}", _EVERYBODY)
    told = msgspec.json.decode(answer, type=_Stream)
    turns: dict[str, int] = {}
    for subject, count in told.state.subjects.items():
        origin = subject.split(".")[2]  # whoever it is: a subject that names nobody has its place in line too
        turns[origin] = turns.get(origin, 0) + count
    full = max(_part(told.state.messages, told.config.max_msgs), _part(told.state.bytes, told.config.max_bytes))
    return Backlog(turns, full)


async def queue(bus: Bus, stream: str) -> Queue:
    """How the consumer of a work queue stands. Raises: Unavailable."""
    answer = await _ask(bus, f"$JS.API.CONSUMER.INFO.{stream}.{streams.CONSUMERS[stream]}")
    return msgspec.json.decode(answer, type=Queue)


async def kept_seconds(bus: Bus, stream: str) -> float:
    """How long a stream keeps a message; infinity where it has no limit. Raises: Unavailable."""
    config = msgspec.json.decode(await _ask(bus, f"$JS.API.STREAM.INFO.{stream}"), type=_Stream).config
    return config.max_age / 1e9 or math.inf


async def stored(bus: Bus, stream: str) -> int:
    """How many messages a stream has. Raises: Unavailable."""
    return msgspec.json.decode(await _ask(bus, f"$JS.API.STREAM.INFO.{stream}"), type=_Stream).state.messages


async def _ask(bus: Bus, subject: str, request: bytes = b"") -> bytes:
    try:
        return (await bus.client.request(subject, request, timeout=LOOK_SECONDS)).data
    except (NatsError, TimeoutError, ConnectionError) as error:
        raise Unavailable(f"the broker does not tell what waits: {error!r}") from error
    finally:
        heed_cancel()


def _part(there: int, most: int) -> float:
    return there / most if most > 0 else 0.0
