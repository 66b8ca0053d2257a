"""What a worker can be asked for, voices and languages, told to every edge: it refuses at the door what nobody has.

It is told every few seconds, on `voiceoffer.<stage>`, and asked for by nobody: an edge that starts later hears it soon,
and no right to ask is needed. It is no event: whoever misses it lets a question in, and the stage itself refuses.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta, Struct
from nats.aio.client import Client
from nats.errors import Error as NatsError

ROOT = "voiceoffer"
EVERY = f"{ROOT}.*"
BEAT_SECONDS = 2.0
"""Between two tellings: what an edge that has just started waits for at most."""

Name = Annotated[str, Meta(min_length=1, max_length=64)]

log = structlog.get_logger()


class Offer(Struct, frozen=True, omit_defaults=True):
    """What one worker has."""

    voices: Annotated[tuple[Name, ...], Meta(max_length=1000)] = ()
    """Who can be asked for; none: it rules nobody out."""
    languages: Annotated[tuple[Name, ...], Meta(max_length=1000)] = ()
    """What it hears, or speaks, ISO 639; none: it rules nothing out."""


@asynccontextmanager
async def told(client: Client, stage: str, offer: Offer) -> AsyncIterator[None]:
    """Tell *offer* for as long as this lasts."""
    telling = asyncio.create_task(_tell(client, f"{ROOT}.{stage}", msgspec.json.encode(offer)), name="offer")
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _tell(client: Client, subject: str, offer: bytes) -> None:
    while True:
        if client.is_connected:  # otherwise the client would keep each of them for when it is back
            with contextlib.suppress(NatsError, ConnectionError):
                await client.publish(subject, offer)
        await asyncio.sleep(BEAT_SECONDS)
        if f'publish to "{subject}"' in str(client.last_error).lower():
            log.warning("offer_untold", subject=subject, remedy="allow this user to publish it, as nats.conf does")
            return
