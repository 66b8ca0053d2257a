"""A message out of a work queue: what the broker says of it, and the ways to settle it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from msgspec import Struct
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus_schemas import Dead, Event, codec

SHORT_REPLY = 9
"""Tokens of an ack subject without a domain."""


class Delivery(Struct, frozen=True):
    """One delivery of one message."""

    message: Msg
    sequence: int
    """Its number in the stream."""
    deliveries: int
    """How often it was delivered, this time included; the count can roll back when the broker is killed."""
    stored_at: float
    """When the broker stored it, seconds since 1970."""
    behind: int
    """Messages of the queue that nobody had been given yet then."""

    @property
    def order(self) -> int:
        """Its place among those that wait to be worked on alone, turned around by each delivery.

        Whoever waited behind a message that killed their worker is before it the next time: it does not take them
        with it until all were delivered too often.
        """
        return -self.sequence if self.deliveries % 2 else self.sequence


def of(message: Msg) -> Delivery:
    """What the broker says of *message*.

    Its reply subject is `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>.<n>.<nanoseconds>.<pending>`; since NATS
    2.2 `<domain>.<account>` may stand before the stream, and then a random token at the end.
    """
    told = message.reply.split(".")
    first = 4 if len(told) == SHORT_REPLY else 6
    return Delivery(message, int(told[first + 1]), int(told[first]), int(told[first + 3]) / 1e9, int(told[first + 4]))


def event(delivery: Delivery) -> Event:
    """The event that was delivered. Raises: BadSubject, NotAnEvent."""
    message, at = delivery.message, round(delivery.stored_at * 1000)
    return codec.decode(message.subject, message.data, message.headers, sequence=delivery.sequence, time_ms=at)


def emptied(delivery: Delivery, event: Event) -> Event:
    """The event without its payload, which the delivery lets go too: nobody is going to work on it."""
    delivery.message.data = b""
    return msgspec.structs.replace(event, **{event.PAYLOAD: b""}) if event.PAYLOAD else event


def dead(delivery: Delivery, *, origin: str, session: str, turn: str, stage: str, code: str, reason: str) -> Dead:
    """The dead letter that keeps the message."""
    message = delivery.message
    return Dead(
        origin=origin,
        session=session,
        turn=turn or f"{delivery.sequence}-{round(delivery.stored_at * 1000):x}",
        stage=stage,
        code=code,
        reason=reason,
        subject=message.subject,
        sequence=delivery.sequence,
        deliveries=delivery.deliveries,
        headers=codec.plain(message.headers),
        body=message.data,
    )


@asynccontextmanager
async def kept(held: Mapping[Any, Delivery], seconds: float) -> AsyncIterator[None]:
    """Tell the broker every *seconds* that what is in *held* then is being worked on, for as long as this lasts."""
    beat = asyncio.create_task(_beat(held, seconds), name="in-progress")
    try:
        yield
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)


async def ack(delivery: Delivery) -> None:
    """It is done, or nobody waits for it."""
    with contextlib.suppress(NatsError, ConnectionError):
        await delivery.message.ack()


async def nak(delivery: Delivery, seconds: float) -> None:
    """Give it back, to be delivered again after *seconds*."""
    with contextlib.suppress(NatsError, ConnectionError):
        await delivery.message.nak(delay=max(seconds, 0.001))


async def term(delivery: Delivery) -> None:
    """It is never to be delivered again."""
    with contextlib.suppress(NatsError, ConnectionError):
        await delivery.message.term()


async def _beat(held: Mapping[Any, Delivery], seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        for delivery in tuple(held.values()):
            with contextlib.suppress(NatsError, ConnectionError):
                if not delivery.message.is_acked:
                    await delivery.message.in_progress()
