"""The traces of one socket's turns: each is a part of the trace that its client's handshake named, if it did."""

from collections.abc import Iterator
from contextlib import contextmanager

from bus_schemas import Utterance
from services.runtime import trace, tracing
from services.runtime.tracing import Turn

from .actions import Report
from .turn import Wishes


class Traces:
    """Those of the turns that this socket asked and that are not over."""

    def __init__(self, wishes: Wishes) -> None:
        self._parent = wishes.parent
        self._turns: dict[str, Turn] = {}

    @contextmanager
    def begun(self, utterance: Utterance) -> Iterator[None]:
        """While a turn is put on the bus."""
        turn = tracing.turn(self._parent, utterance.origin, utterance.session, utterance.turn)
        self._turns[utterance.turn] = turn
        with trace.within(turn.context):
            yield

    @contextmanager
    def over(self, report: Report) -> Iterator[None]:
        """While the end of a turn is told; a turn that was begun at another socket has no trace here."""
        turn = self._turns.pop(report.turn, None)
        with trace.within(turn.context if turn else None):
            yield
        if turn is not None:
            turn.end(report.outcome, report.code, report.first_sound)
