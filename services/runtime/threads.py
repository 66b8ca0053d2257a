"""The threads that an engine computes in, given back within a bounded time.

What hangs in a thread cannot be stopped: it ends with its process, and the process with it.
"""

import asyncio
import sys
import threading
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import structlog

from .errors import Sick

CLOSE_SECONDS = 5.0
"""How long is waited for what still runs in them: a pass of a model takes a second or two, a piece less."""
HUNG_SECONDS = 30.0
"""An engine that was told to stop, and does within a token or a piece, will not any more after this."""

log = structlog.get_logger()


async def freed(job: Future[Any], engine: str) -> None:
    """Wait until *job*, which was told to stop, has left its thread; what it raises is nobody's any more.

    Raises: Sick after HUNG_SECONDS.
    """
    ended = asyncio.wrap_future(job)
    await asyncio.wait({ended}, timeout=HUNG_SECONDS)
    if not ended.done():
        raise hung(engine, f"has not stopped {HUNG_SECONDS:g} s after it was told to")
    if not ended.cancelled():
        ended.exception()


def hung(engine: str, what: str) -> Sick:
    """The error of a thread that hangs; where every thread is then goes to the log, for whoever mends the engine."""
    log.error("engine_hung", engine=engine, threads=_stacks())
    return Sick(f"{engine} {what}: it hangs, and this process ends for a new one; `engine_hung` in the log says where")


async def end(threads: ThreadPoolExecutor, engine: str, *, cancel_futures: bool = False) -> None:
    """Take no more work, and wait for what runs; after CLOSE_SECONDS it is left behind."""
    ended = threading.Event()

    def join() -> None:
        threads.shutdown(cancel_futures=cancel_futures)
        ended.set()

    threading.Thread(target=join, name=f"close-{engine}", daemon=True).start()
    if not await asyncio.to_thread(ended.wait, CLOSE_SECONDS):
        log.warning("engine_left_running", engine=engine, waited_s=CLOSE_SECONDS)


def awaited() -> set[threading.Thread]:
    """The threads for which Python waits before it ends."""
    return {thread for thread in threading.enumerate() if not thread.daemon}


def _stacks() -> dict[str, list[str]]:
    frames = sys._current_frames()
    named = {thread.name: frames.get(thread.ident or 0) for thread in threading.enumerate()}
    return {name: traceback.format_stack(frame) for name, frame in named.items() if frame is not None}
