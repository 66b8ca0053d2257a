"""Where log lines are written: those of one round of the event loop together, a warning and what is worse at once.

A write for every line was as many system calls as all the rest of a busy worker.
"""

import asyncio
import threading
from collections import deque
from typing import TextIO


class Lines:
    """What structlog gives its lines to: a method for each level."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._waiting: deque[str] = deque()
        self._promised: asyncio.AbstractEventLoop | None = None
        """It is going to flush at the end of this round."""
        self._writing = threading.Lock()

    def info(self, line: str) -> None:
        """Write it by the end of this round of the event loop; where none runs, now."""
        self._waiting.append(line)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if loop is not self._promised:
            self._promised = loop
            loop.call_soon(self.flush)

    def warning(self, line: str) -> None:
        """Write it now, after those that wait: what comes next may be the end of the process."""
        self._waiting.append(line)
        self.flush()

    debug = info
    error = critical = warning

    def flush(self) -> None:
        """Write all that waits."""
        with self._writing:
            self._promised = None
            lines = [self._waiting.popleft() for _ in range(len(self._waiting))]
            if lines:
                self._file.write("\n".join(lines) + "\n")
                self._file.flush()
