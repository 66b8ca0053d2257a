"""Cancels that a library swallows."""

import asyncio


def heed_cancel() -> None:
    """Raise the cancel that was lost in the call before.

    nats-py waits for its answers with `asyncio.wait_for`, which on Python 3.11 swallows a cancel that meets the answer.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
