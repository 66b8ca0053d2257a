"""When a turn that is asked now would be answered, by the lines on the bus and by what turns took; pure."""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from bus_schemas import Step
from services.runtime import shares
from services.runtime.backlog import Queue
from services.runtime.shares import Backlog

FIRST = "stt"
"""The stage whose line has shares; behind it turns are served as they come."""
BEHIND = ("llm", "tts")
WEIGHT = 0.2
"""Of the last turn in the mean of what a stage takes."""
SLOWEST = 1 / 3
"""Of what the places of a stage could do: a stage that does less has lost a worker, whose work another will have."""
SEEN_WEIGHT = 0.5
LONGEST = 3.0
"""Seconds between two looks that tell of what was done between them: who looks no more has had nobody asking."""
FORGET = 0.9
"""A look that finds fewer places at work may have met one between two turns: places are lost slowly."""


class Stage(Struct, frozen=True):
    """How a stage stands."""

    waiting: int = 0
    """Events that nobody works on yet."""
    places: float = 0.0
    """Events that are worked on at once, by all its workers; 0: not known, since nobody had to wait."""
    seconds: float = 0.0
    """What one takes; 0: not known."""
    finished: int = 0
    """Events that were settled, since the consumer was made."""
    measured: float = 0.0
    """Of those, how many a second while others waited; 0: not known."""

    @property
    def rate(self) -> float:
        """Events a second: what the places could do at most, or what was seen; 0: not known.

        A place waits between two events, for the broker and for its machine, so it does less than it could.
        """
        most = self.places / self.seconds if self.seconds else 0.0
        return min(most, max(most * SLOWEST, self.measured)) if self.measured else most


class Outlook(Struct, frozen=True):
    """What was seen at `seen`, seconds of any clock, and what was learnt until now."""

    seen: float = 0.0
    backlog: Backlog = Backlog()
    stages: Mapping[str, Stage] = {}


def learn(outlook: Outlook, trail: Iterable[Step]) -> Outlook:
    """What a turn that was answered took in each stage."""
    stages = dict(outlook.stages)
    for step in trail:
        if step.stage in (FIRST, *BEHIND):
            stage, seconds = stages.get(step.stage, Stage()), step.service_ms / 1000
            mean = stage.seconds + (seconds - stage.seconds) * WEIGHT if stage.seconds else seconds
            stages[step.stage] = msgspec.structs.replace(stage, seconds=mean)
    return msgspec.structs.replace(outlook, stages=stages)


def look(outlook: Outlook, name: str, queue: Queue, passed: float) -> Outlook:
    """What the consumer of a stage says, *passed* seconds after the look before."""
    stage, waiting = outlook.stages.get(name, Stage()), queue.num_pending
    places, measured = stage.places, stage.measured
    if waiting:
        places = max(1.0, queue.num_ack_pending, stage.places * FORGET)
    elif places:
        places = max(places, queue.num_ack_pending)
    if waiting and stage.waiting and 0 < passed < LONGEST:
        rate = (queue.finished - stage.finished) / passed
        measured = measured + (rate - measured) * SEEN_WEIGHT if measured else rate
    seen = msgspec.structs.replace(
        stage, waiting=waiting, places=places, finished=queue.finished, measured=max(0.0, measured)
    )
    return msgspec.structs.replace(outlook, stages={**outlook.stages, name: seen})


def wait(outlook: Outlook, origin: str, asked: Mapping[str, int], burst: int, now: float) -> float:
    """Seconds that a turn of *origin* would spend in lines; *asked* were asked here since the look.

    What waits before a stage comes to it too, so the slowest stage counts, for all that is before it.
    """
    first, passed = outlook.stages.get(FIRST, Stage()), now - outlook.seen
    turns = {name: outlook.backlog.turns.get(name, 0) + asked.get(name, 0) for name in {*outlook.backlog.turns, *asked}}
    before = shares.ahead(Backlog(turns), origin, burst) - max(1.0, first.places)
    longest = before / first.rate if first.rate else 0.0
    for stage in (outlook.stages.get(name, Stage()) for name in BEHIND):
        before = max(0.0, before) + stage.waiting
        longest = max(longest, before / stage.rate) if stage.rate else longest
    return max(0.0, longest - passed)


def work(outlook: Outlook) -> float:
    """Seconds that a turn takes where nobody waits."""
    return sum(stage.seconds for stage in outlook.stages.values())
