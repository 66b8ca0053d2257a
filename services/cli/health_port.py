"""Where a child tells its health: on a port that it has taken itself, and names in its log.

A free port that is chosen for it may be somebody else's by the time that it has loaded its libraries, and what answers
there may be another voicebus, which is ready.
"""

import msgspec
from msgspec import Struct

from .children import Relay

NAMED = '"health_port"'


class _Line(Struct, frozen=True):
    health_port: int = 0


class HealthPort:
    """Listens to the log of one child, and of its successors when it dies."""

    def __init__(self, relay: Relay) -> None:
        self.port = 0
        """That of the child that started last; 0: it has not said it yet."""
        self._relay = relay

    def relay(self, name: str, line: str) -> None:
        """Pass a line on, and keep the port that it names."""
        if NAMED in line:
            self.port = _named(line) or self.port
        self._relay(name, line)


def _named(line: str) -> int:
    try:
        return msgspec.json.decode(line, type=_Line).health_port
    except msgspec.DecodeError:
        return 0
