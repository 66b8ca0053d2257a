"""Who waits shares a batch, by what really waits: no model, and threads that work when they are let."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from services.runtime import threads
from services.runtime.errors import Sick, Unavailable
from services.stt.engines import batch
from services.stt.engines.batch import Batches
from tests.harness import wait_until

Job = tuple[str, int]
"""A key, and a number."""


class Gate:
    """Work that stands at a closed gate, and remembers its batches."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.batches: list[list[Job]] = []

    def __call__(self, jobs: Sequence[Job]) -> list[int]:
        self.batches.append(list(jobs))
        assert self.open.wait(10)
        if any(number < 0 for _, number in jobs):
            raise ValueError("a bad sound")
        return [number for _, number in jobs]


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def batches(gate: Gate) -> AsyncIterator[Batches[Job, int]]:
    """One thread, at most three jobs, held by the job 0 until the gate opens."""
    opened = Batches[Job, int](1, 3, lambda job: job[0], gate)
    yield opened
    gate.open.set()
    await opened.close()


async def start(batches: Batches[Job, int], gate: Gate, jobs: Sequence[Job]) -> list[asyncio.Task[int]]:
    """Job 0 comes to a free thread; the others come while it works."""
    first = asyncio.create_task(batches.do(("short", 0)))
    await wait_until(lambda: len(gate.batches) == 1, "the first is worked on")
    tasks = [first, *(asyncio.create_task(batches.do(job)) for job in jobs)]
    await asyncio.sleep(0)
    return tasks


async def test_who_has_no_company_is_alone(batches: Batches[Job, int], gate: Gate) -> None:
    """Nobody is alone whom another waits for, nor where nothing runs."""
    assert not batches.alone
    (first,) = await start(batches, gate, [])
    assert batches.alone
    second = asyncio.create_task(batches.do(("long", 1)))
    await asyncio.sleep(0)
    assert not batches.alone
    gate.open.set()
    await asyncio.gather(first, second)
    assert not batches.alone


async def test_what_waits_when_a_thread_is_free_is_taken_together(batches: Batches[Job, int], gate: Gate) -> None:
    """The first waits for nobody; the next four are three and one, each with its own result."""
    tasks = await start(batches, gate, [("short", n) for n in (1, 2, 3, 4)])
    gate.open.set()
    assert await asyncio.gather(*tasks) == [0, 1, 2, 3, 4]
    assert [[number for _, number in batch] for batch in gate.batches] == [[0], [1, 2, 3], [4]]


async def test_only_windows_of_one_length_share_a_batch_and_none_is_passed_over(
    batches: Batches[Job, int], gate: Gate
) -> None:
    """The one that waits longest decides; the others keep their order."""
    tasks = await start(batches, gate, [("long", 1), ("short", 2), ("long", 3), ("short", 4)])
    gate.open.set()
    assert await asyncio.gather(*tasks) == [0, 1, 2, 3, 4]
    assert [[number for _, number in batch] for batch in gate.batches] == [[0], [1, 3], [2, 4]]


async def test_a_bad_sound_fails_alone(batches: Batches[Job, int], gate: Gate) -> None:
    """Those beside it are answered."""
    tasks = await start(batches, gate, [("short", 1), ("short", -1), ("short", 2)])
    gate.open.set()
    assert [await tasks[i] for i in (0, 1, 3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="a bad sound"):
        await tasks[2]


async def test_who_is_cancelled_while_waiting_is_not_worked_on(batches: Batches[Job, int], gate: Gate) -> None:
    """No engine time is spent on it."""
    tasks = await start(batches, gate, [("short", 1), ("short", 2)])
    tasks[1].cancel()
    await asyncio.wait({tasks[1]})
    gate.open.set()
    assert [await tasks[i] for i in (0, 2)] == [0, 2]
    assert gate.batches[1:] == [[("short", 2)]]


async def test_who_waits_when_it_is_closed_is_told(batches: Batches[Job, int], gate: Gate) -> None:
    """Another worker may have it; what is under way is finished."""
    tasks = await start(batches, gate, [("short", 1)])
    closing = asyncio.create_task(batches.close())
    with pytest.raises(Unavailable):
        await tasks[1]
    gate.open.set()
    await closing
    assert await tasks[0] == 0
    with pytest.raises(Unavailable):
        await batches.do(("short", 2))


async def test_a_pass_that_hangs_is_not_waited_for_without_an_end(
    batches: Batches[Job, int], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "CLOSE_SECONDS", 0.2)
    tasks = await start(batches, gate, [])
    async with asyncio.timeout(2):
        await batches.close()
    gate.open.set()
    assert await tasks[0] == 0


async def test_behind_a_batch_that_hangs_nobody_waits_for_ever(
    batches: Batches[Job, int], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes then ends the process, and its message goes to another."""
    monkeypatch.setattr(batch, "PASS_SECONDS", 0.05)
    (first,) = await start(batches, gate, [])
    await asyncio.sleep(0.1)
    with pytest.raises(Sick, match="works on one batch for more than"):
        await batches.do(("short", 1))
    gate.open.set()

    assert await first == 0
