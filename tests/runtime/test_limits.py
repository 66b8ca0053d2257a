"""Limits: an end for each of many waits, by one timer."""

import asyncio
import time

from services.runtime.limits import Limits
from tests.harness import wait_until


async def test_what_is_still_kept_when_its_time_is_over_expires_in_the_order_of_the_ends() -> None:
    expired = list[str]()
    limits = Limits[str](expired.append)
    for name, seconds in (("last", 0.3), ("first", 0.05), ("dropped", 0.01), ("kept", 60.0), ("second", 0.15)):
        limits.keep(name, seconds)
    limits.drop("dropped")

    await wait_until(lambda: len(expired) >= 3, "three times are over")
    assert expired == ["first", "second", "last"]


async def test_a_time_that_is_given_anew_counts_from_then() -> None:
    began, ended = time.monotonic(), list[float]()
    limits = Limits[str](lambda _: ended.append(time.monotonic()))
    limits.keep("turn", 0.02)
    limits.keep("turn", 0.2)

    await wait_until(lambda: bool(ended), "the time is over")
    await asyncio.sleep(0.05)
    assert len(ended) == 1
    assert ended[0] - began > 0.19
