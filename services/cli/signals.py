"""Ctrl-C, SIGTERM and a closed terminal: the first stops gently, the second at once."""

import asyncio
import signal
from collections.abc import Coroutine

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(Exception):
    """A signal ended the work."""


async def until_stopped(work: Coroutine[None, None, None]) -> None:
    """Do *work*; the first signal cancels it and waits until it has cleaned up.

    A second one ends this process as signals do: the leash then ends the children.

    Raises: Stopped.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work, name="work")

    def stop() -> None:
        for number in STOPS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        task.cancel("a signal")

    for number in STOPS:
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        raise Stopped from None
