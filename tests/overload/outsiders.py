"""Other systems straight on the bus: one that floods, and one that asks five turns behind it."""

import asyncio
import time
from collections import Counter

from msgspec import Struct, field
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus_schemas import BadSubject, Event, Failed, NotAnEvent, Speech, codec
from tests.harness import wait_until

AT_ONCE = 64
"""Publishes of a flood that wait for their PubAck."""
ASK_SECONDS = 10.0
END_SECONDS = 90.0


class Ends(Struct):
    """How the turns of one origin ended."""

    at: dict[str, float] = field(default_factory=dict)
    """Session -> when."""
    codes: Counter[str] = field(default_factory=Counter)
    retry_after: list[float] = field(default_factory=list)


async def listen(client: Client, origin: str) -> Ends:
    """Hear how the turns of *origin* end, from now on; each in a session of its own, and of one sentence."""
    ends = Ends()

    async def on_message(message: Msg) -> None:
        try:
            event = codec.decode(message.subject, message.data, message.headers)
        except (BadSubject, NotAnEvent):
            return
        code = _end(event)
        if code and event.session not in ends.at:
            ends.at[event.session] = time.monotonic()
            ends.codes[code] += 1
            if isinstance(event, Failed) and event.retry_after:
                ends.retry_after.append(event.retry_after)

    for event in (Speech, Failed):
        await client.subscribe(f"voice.{event.NAME}.{origin}.*", cb=on_message)
    await client.flush()
    return ends


async def ask(client: Client, origin: str, turns: int, wav: bytes, *, prefix: str) -> float:
    """Publish *turns* turns, as fast as they are taken, none without its PubAck; returns when the last was taken."""
    jetstream, places = client.jetstream(timeout=5), asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with places:
            end = time.monotonic() + ASK_SECONDS
            while True:
                try:
                    await jetstream.publish(f"voice.utterance.{origin}.{prefix}{number}", wav)
                    return
                except (NatsError, TimeoutError):
                    if time.monotonic() > end:
                        raise
                    await asyncio.sleep(0.05)

    await asyncio.gather(*(one(number) for number in range(turns)))
    return time.monotonic()


async def last_answer(client: Client, turns: int, wav: bytes, flood: int = 0) -> tuple[float, Ends]:
    """Seconds from asking *turns* turns to the last answer, behind a *flood* of another origin; and its ends."""
    name = f"r{time.monotonic_ns():x}"
    flooded, calm = await listen(client, f"flood-{name}"), await listen(client, f"calm-{name}")
    if flood:
        await ask(client, f"flood-{name}", flood, wav, prefix="f")
    began = time.monotonic()
    await ask(client, f"calm-{name}", turns, wav, prefix="c")
    await wait_until(lambda: len(calm.at) == turns, "the few turns ended", END_SECONDS)
    assert calm.codes == {"answered": turns}, f"the few turns ended with {dict(calm.codes)}"
    await wait_until(lambda: len(flooded.at) == flood, "the flood's turns ended", END_SECONDS)
    return max(calm.at.values()) - began, flooded


def _end(event: Event) -> str:
    match event:
        case Failed():
            return event.code
        case Speech(last=True, end=True):
            return "answered"
    return ""
