"""Looking through a stream that keeps things: its messages in order, by a consumer that is taken away again.

With *headers_only* the broker sends no bodies, so a search is quick however large they are.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import Error as JetStreamError
from nats.js.errors import NotFoundError

from .bus import Bus
from .errors import Unavailable

READ_SECONDS = 5.0
SIZE = "Nats-Msg-Size"
"""Bytes of a body that was left out."""
AWAY = (NatsError, JetStreamError, TimeoutError, ConnectionError)


async def messages(
    bus: Bus, stream: str, subjects: Sequence[str], *, headers_only: bool = False, since: datetime | None = None
) -> AsyncGenerator[Msg, None]:
    """Every message that *stream* has now on *subjects*, the oldest first; with *since*, those stored after it.

    Raises: what the NATS client raises; NatsTimeout when the broker stops sending.
    """
    async with _consumer(bus, stream, subjects, headers_only, since) as subscription:
        told = await subscription.consumer_info()
        left = (told.num_pending or 0) + (told.delivered.consumer_seq if told.delivered else 0)
        while left:
            try:
                message = await subscription.next_msg(timeout=READ_SECONDS)
            except NatsTimeout:
                if (await subscription.consumer_info()).num_pending:
                    raise
                return  # somebody took the last ones away meanwhile
            left = message.metadata.num_pending
            yield message


@contextlib.contextmanager
def told(stream: str) -> Iterator[None]:
    """What the client raises, as a sentence. Raises: Unavailable."""
    try:
        yield
    except (NotFoundError, NoRespondersError) as error:
        raise Unavailable(f"the broker has no {stream}; run `voicebus setup`") from error
    except AWAY as error:
        raise Unavailable(f"the broker did not answer for {stream}: {error!r}") from error


@asynccontextmanager
async def _consumer(
    bus: Bus, stream: str, subjects: Sequence[str], headers_only: bool, since: datetime | None
) -> AsyncIterator[JetStreamContext.PushSubscription]:
    start = ConsumerConfig(deliver_policy=DeliverPolicy.BY_START_TIME, opt_start_time=since) if since else None
    config = start or ConsumerConfig()
    subscription = await bus.jetstream.subscribe(
        subjects[0],
        stream=stream,
        config=config.evolve(filter_subjects=list(subjects)) if len(subjects) > 1 else config,
        ordered_consumer=True,
        headers_only=headers_only,
        inactive_threshold=READ_SECONDS,
    )
    consumer = (await subscription.consumer_info()).name
    try:
        yield subscription
    finally:
        with contextlib.suppress(*AWAY):
            await subscription.unsubscribe()
            await bus.jetstream.delete_consumer(stream, consumer)
