"""A service whose event loop stands still says where it does, and ends: who started it starts it again.

Its messages go to other workers, and its sockets are closed; otherwise it would look alive for ever, and do nothing.
"""

import asyncio
import faulthandler
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

BLOCKED_SECONDS = 30.0
"""Nothing may block a loop for a tenth of a second; who is frozen and thaws by then goes on."""
BEAT_SECONDS = 3.0


@asynccontextmanager
async def watched() -> AsyncIterator[None]:
    """Watch this event loop meanwhile. What watches is a thread of C's: it needs neither the loop nor the interpreter.

    On stderr it writes a traceback of every thread, which is no log line: there is no Python left to write one.
    """
    beat = asyncio.create_task(_beat(), name="watchdog")
    try:
        yield
    finally:
        beat.cancel()
        await asyncio.gather(beat, return_exceptions=True)
        faulthandler.cancel_dump_traceback_later()


async def _beat() -> None:
    while True:
        faulthandler.dump_traceback_later(BLOCKED_SECONDS, exit=True)
        await asyncio.sleep(BEAT_SECONDS)
