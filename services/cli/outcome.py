"""What becomes of an event that this process puts on the bus: its answer, or its failure."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from bus_schemas import Event, Failed, Sentence, Speech, codes, subjects
from services.edge.answer import Answer, Assembly
from services.edge.relay import Place, Relay
from services.runtime.bus import Bus
from services.runtime.errors import Unavailable

from .client import NoAnswer

SILENCE_SECONDS = 3.0
"""After so long without an end, what may have been missed is read from the stream of answers."""


async def of(bus: Bus, event: Event, put: Callable[[], Awaitable[None]], seconds: float) -> Answer | Failed:
    """Listen, *put* the event, wait for the end of its run; of a sentence, for that sentence's speech.

    Raises: NoAnswer when nothing ends it within *seconds*; whatever *put* raises.
    """
    relay, assembly, began = Relay(bus), Assembly(), Place(time=time.time())
    subject = subjects.conversation(event.origin, event.session)
    ended: asyncio.Future[Answer | Failed] = asyncio.get_running_loop().create_future()

    def deliver(heard: Event) -> None:
        part = _part(heard, event)
        found = assembly.add(part) if part and not ended.done() else None
        if found:
            ended.set_result(found)

    async with relay.listen(subject, deliver, lambda: None):
        await put()
        try:
            async with asyncio.timeout(seconds):
                while not ended.done():
                    await asyncio.wait({ended}, timeout=SILENCE_SECONDS)
                    if not ended.done():
                        with contextlib.suppress(Unavailable):
                            began = await relay.read(subject, began, deliver)
        except TimeoutError:
            message = f"nothing has become of turn {event.turn}, run {event.run}, within {seconds:g} s; are workers up?"
            raise NoAnswer(codes.DEADLINE, message) from None
    return ended.result()


def _part(heard: Event, event: Event) -> Event | None:
    """*heard* when it belongs to the run; one sentence, run again, is an answer of its own."""
    if (heard.turn, heard.run) != (event.turn, event.run):
        return None
    if isinstance(event, Sentence) and isinstance(heard, Speech):
        alone = replace(heard, n=0, last=True, reply=heard.text)
        return alone if (heard.attempt, heard.n) == (event.attempt, event.n) else None
    return heard
