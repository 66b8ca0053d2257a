"""From the bus to `voicebus watch`: where turns are, who works, how long the queues are, whether the broker is there.

It asks as the observer may: counts, `$SRV.STATS`, and `voicewatch`. Only what was said needs more: the operator.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus_schemas import BadSubject, NotAnEvent, Sentence, Transcript, codec, subjects
from services.runtime import backlog, streams
from services.runtime.bus import Bus
from services.runtime.errors import Unavailable
from services.runtime.sightings import ROOT, WANTED, Sighting, Wanted

from .watch_items import Broker, Depth, Depths, Item, Missed, Said, Stats, worker

LOOK_SECONDS = 1.0
"""Between two looks at queues and workers; a lease of sightings lasts five."""
STATS = "$SRV.STATS"
OURS = "voicebus-"

Put = Callable[[Item], None]


async def feed(bus: Bus, put: Put, *, origin: str, text: bool) -> None:
    """Give everything that happens to *put*, without end. Raises: BusLost."""
    await bus.unless_lost(_feed(bus, put, origin, text))


async def _feed(bus: Bus, put: Put, origin: str, text: bool) -> None:
    async with AsyncExitStack() as stack:
        inbox = bus.client.new_inbox()
        await stack.enter_async_context(_listening(bus, f"{ROOT}.*.{origin or '*'}.*", _sightings(put)))
        await stack.enter_async_context(_listening(bus, inbox, _workers(put)))
        if text:
            for event in (Transcript, Sentence):
                subject = subjects.every(event).replace("*", origin or "*", 1)
                await stack.enter_async_context(_listening(bus, subject, _words(put)))
        bus.on_slow.append(lambda: put(Missed(1)))
        await _look(bus, put, inbox)


async def _look(bus: Bus, put: Put, inbox: str) -> None:
    there, fresh = True, True
    while True:
        if bus.client.is_connected != there:
            there = bus.client.is_connected
            put(Broker(there, "" if there else "the connection is being made again"))
            fresh = fresh or there
        if there:
            with contextlib.suppress(Unavailable, NatsError, TimeoutError, ConnectionError):
                await bus.client.publish(WANTED, msgspec.json.encode(Wanted(fresh)))
                await bus.client.publish(STATS, b"", reply=inbox)
                fresh = False
                put(await _depths(bus))
        await asyncio.sleep(LOOK_SECONDS)


async def _depths(bus: Bus) -> Depths:
    queues: dict[str, Depth] = {}
    for stream, stage in streams.CONSUMERS.items():
        queue = await backlog.queue(bus, stream)
        queues[stage] = Depth(queue.num_pending, queue.num_ack_pending)
    return Depths(queues, await backlog.stored(bus, streams.DEAD))


@asynccontextmanager
async def _listening(bus: Bus, subject: str, heard: Callable[[Msg], None]) -> AsyncIterator[None]:
    async def on_message(message: Msg) -> None:
        with contextlib.suppress(msgspec.DecodeError, BadSubject, NotAnEvent):  # others may publish there too
            heard(message)

    subscription = await bus.client.subscribe(subject, cb=on_message)
    try:
        yield
    finally:
        with contextlib.suppress(NatsError, ConnectionError):
            await subscription.unsubscribe()


def _sightings(put: Put) -> Callable[[Msg], None]:
    return lambda message: put(msgspec.json.decode(message.data, type=Sighting))


def _workers(put: Put) -> Callable[[Msg], None]:
    def heard(message: Msg) -> None:
        stats = msgspec.json.decode(message.data, type=Stats)
        if stats.name.startswith(OURS):
            put(worker(stats))

    return heard


def _words(put: Put) -> Callable[[Msg], None]:
    def heard(message: Msg) -> None:
        event = codec.decode(message.subject, message.data, message.headers)
        if isinstance(event, Transcript | Sentence) and event.text:
            who = "you" if isinstance(event, Transcript) else "voicebus"
            put(Said(event.origin, event.session, event.turn, event.run, who, event.text))

    return heard
