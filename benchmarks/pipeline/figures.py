"""What a run of the pipeline bench leaves behind."""

from msgspec import Struct

from benchmarks.measure import Spread
from benchmarks.results import About

NAME = "pipeline"


class Cell(Struct, frozen=True):
    """One contender, one number of callers, one kind of answer: all its turns of the run."""

    contender: str
    answer: str
    """`real` or `scripted`."""
    callers: int
    turns: int
    """Answered."""
    first_audio: Spread | None
    """Seconds from the end of the question to the first sound; None where nobody was answered."""
    full: Spread | None
    """Seconds from the end of the question to the end of the answer."""
    turns_a_minute: float
    cpu_seconds_a_turn: float
    """Of all processes that work for the contender."""
    memory_mib: float
    """Of these processes, at the end of the cell."""
    foreign: float
    """Share of the machine that other programs used meanwhile; the greatest of its rounds."""
    problems: dict[str, int]
    answers: dict[str, int]
    """What was heard and answered, and how often."""


class Run(Struct, frozen=True):
    """A run of all contenders, interleaved."""

    about: About
    question_seconds: float
    rounds: int
    seconds: float
    """How long the run took."""
    cells: tuple[Cell, ...]

    def find(self, contender: str, answer: str, callers: int) -> Cell | None:
        """The one cell, when it was run."""
        wanted = (contender, answer, callers)
        return next((cell for cell in self.cells if (cell.contender, cell.answer, cell.callers) == wanted), None)
