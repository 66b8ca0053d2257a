"""Work that waits is done together: what waits when a thread becomes free is its next batch.

Nothing lingers for company. Who comes to a free thread is worked on alone and at once; only a queue makes batches.
"""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from services.runtime import threads
from services.runtime.errors import Unavailable

J = TypeVar("J")
R = TypeVar("R")
P = TypeVar("P")
Q = TypeVar("Q")

PASS_SECONDS = 180.0
"""For each job of a batch: the largest model takes a minute for one on a small machine. Who takes longer hangs."""


class Batches(Generic[J, R]):
    """Threads that take what waits, in order, up to *most* of one *key* at a time. `close` gives them back."""

    def __init__(
        self, count: int, most: int, key: Callable[[J], Hashable], work: Callable[[Sequence[J]], Sequence[R]]
    ) -> None:
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="whisper")
        self._most = most
        self._key = key
        self._work = work
        self._waiting: deque[tuple[J, Future[R]]] = deque()
        self._running = 0
        self._ends: dict[int, float] = {}
        """When the batch of a thread ends at the latest, by the thread's number; seconds of the monotonic clock."""
        self._lock = threading.Lock()
        self._closed = False

    @property
    def alone(self) -> bool:
        """Whether one job runs and none waits: the cores of the other threads are free."""
        return self._running == 1 and not self._waiting

    async def prepare(self, function: Callable[[P], Q], given: P) -> Q:
        """Call *function* in one of the threads: what has to be done before there is a job."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, given)

    async def do(self, job: J) -> R:
        """The result of *job*, alone or among others; who is cancelled while it waits is not worked on.

        Raises: what the work raised; Unavailable when it was closed first; Sick when a thread hangs.
        """
        future: Future[R] = Future()
        with self._lock:
            if self._closed:
                raise Unavailable("the transcriber was closed")
            if time.monotonic() > min(self._ends.values(), default=math.inf):
                raise threads.hung("whisper", f"works on one batch for more than {PASS_SECONDS:g} s a window")
            self._waiting.append((job, future))
            self._threads.submit(self._next)
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Finish the batches that run, within the time of `threads.end`; what waits ends with Unavailable."""
        with self._lock:
            self._closed = True
            left = list(self._waiting)
            self._waiting.clear()
        for _, future in left:
            if future.set_running_or_notify_cancel():
                future.set_exception(Unavailable("the transcriber was closed"))
        await threads.end(self._threads, "whisper", cancel_futures=True)

    def _next(self) -> None:
        """One batch; nothing when others were quicker."""
        taken = self._take()
        if not taken:
            return
        results = self._results([job for job, _ in taken])
        with self._lock:
            self._running -= len(taken)
            del self._ends[threading.get_ident()]
        for (_, future), result in zip(taken, results, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _take(self) -> list[tuple[J, Future[R]]]:
        """The job that waits longest, and those behind it that can share its batch."""
        taken: list[tuple[J, Future[R]]] = []
        passed: list[tuple[J, Future[R]]] = []
        with self._lock:
            while self._waiting and len(taken) < self._most:
                job, future = self._waiting.popleft()
                if taken and self._key(job) != self._key(taken[0][0]):
                    passed.append((job, future))
                elif future.set_running_or_notify_cancel():
                    taken.append((job, future))
            self._waiting.extendleft(reversed(passed))
            self._running += len(taken)
            if taken:
                self._ends[threading.get_ident()] = time.monotonic() + PASS_SECONDS * len(taken)
        return taken

    def _results(self, jobs: Sequence[J]) -> Sequence[R | Exception]:
        """Every job's result. When a batch fails each is tried alone: one bad sound fails nobody beside it."""
        try:
            return self._work(jobs)
        except Exception as error:
            if len(jobs) == 1:
                return [error]
            return [result for job in jobs for result in self._results([job])]
