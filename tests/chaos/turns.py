"""The list of what was asked and of how it ended: the only memory of the verdict."""

import time

from msgspec import Struct

from . import words


class Turn(Struct):
    """One question, asked once."""

    number: int
    who: str
    """`socket`, `outsider`, or `garbage` for what is no event and must be told so."""
    began: float
    """Seconds since 1970."""
    ended: float = 0.0
    answers: int = 0
    failures: int = 0
    reason: str = ""
    """The code of its failure."""
    problem: str = ""
    """What is wrong with its answer: it was spliced, or is another's."""

    @property
    def outcome(self) -> str:
        """`answered`, `failed`, `doubled` for more than one ending, `lost` for none."""
        endings = self.answers + self.failures
        if endings != 1:
            return "doubled" if endings else "lost"
        return "answered" if self.answers else "failed"


class Desk:
    """Asks under numbers that nobody else has, until it is closed."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.closed = False

    def ask(self, who: str) -> Turn:
        """A new question."""
        turn = Turn(words.FIRST_QUESTION + len(self.turns), who, time.time())
        self.turns.append(turn)
        return turn


def answered(turn: Turn, transcription: str, reply: str, sound: bytes) -> None:
    """An answer has come; *sound* is its samples."""
    turn.answers += 1
    turn.ended = turn.ended or time.time()
    turn.problem = turn.problem or words.problem(turn.number, transcription, reply, sound)


def failed(turn: Turn, code: str) -> None:
    """It was told that no answer will come."""
    turn.failures += 1
    turn.ended = turn.ended or time.time()
    turn.reason = turn.reason or code
