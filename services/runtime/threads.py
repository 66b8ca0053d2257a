"""The threads that an engine computes in, given back within a bounded time."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import structlog

CLOSE_SECONDS = 5.0
"""How long is waited for what still runs in them: a pass of a model takes a second or two, a piece less."""

log = structlog.get_logger()


async def end(threads: ThreadPoolExecutor, engine: str, *, cancel_futures: bool = False) -> None:
    """Take no more work, and wait for what runs; after CLOSE_SECONDS it is left behind.

    What hangs in a thread cannot be stopped: it ends with its process, which is killed when it does not end by itself.
    """
    ended = threading.Event()

    def join() -> None:
        threads.shutdown(cancel_futures=cancel_futures)
        ended.set()

    threading.Thread(target=join, name=f"close-{engine}", daemon=True).start()
    if not await asyncio.to_thread(ended.wait, CLOSE_SECONDS):
        log.warning("engine_left_running", engine=engine, waited_s=CLOSE_SECONDS)
