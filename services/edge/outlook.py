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
UNSEEN = 1 / 2
"""Of the same, until what they do was seen: at the start of a flood everybody is slower, on a busy machine by half."""
SEEN_WEIGHT = 0.5
SHORTEST, LONGEST = 1.0, 3.0
"""Seconds that are counted together: in less there are too few turns; who did not look for longer had nobody asking."""
UNKNOWN = 1.0
"""Events a second of a stage that others wait for, until its speed is known: a guess, and a careful one. At the start
of a flood all that was asked before the first answer was taken once, and was too late."""
FORGET = 0.9
"""A look that finds fewer places at work may have met one between two turns: places are lost slowly."""


class Stage(Struct, frozen=True):
    """How a stage stands."""

    waiting: int = 0
    """Events that nobody works on yet."""
    working: int = 0
    """Events that are worked on."""
    places: float = 0.0
    """Events that are worked on at once, by all its workers; 0: not known, since nobody had to wait."""
    seconds: float = 0.0
    """What one takes; 0: not known."""
    finished: int = 0
    """Events that were settled until `since`, from when the consumer was made."""
    since: float = 0.0
    """When what is settled began to be counted; seconds of the clock of `Outlook.seen`."""
    measured: float = 0.0
    """Of those, how many a second while others waited; 0: not known."""

    @property
    def rate(self) -> float:
        """Events a second: what the places could do at most, or what was seen; 0: not known.

        A place waits between two events, for the broker and for its machine, so it does less than it could.
        """
        most = self.places / self.seconds if self.seconds else 0.0
        if not most or not self.measured:
            return most * UNSEEN or self.measured
        return min(most, max(most * SLOWEST, self.measured))


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


def look(outlook: Outlook, name: str, queue: Queue, now: float) -> Outlook:
    """What the consumer of a stage says."""
    stage, waiting, working = outlook.stages.get(name, Stage()), queue.num_pending, queue.num_ack_pending
    steady = bool(waiting and stage.waiting) and now - stage.since < LONGEST
    over = now - stage.since >= SHORTEST
    if steady and over:
        stage = _measured(stage, queue.finished, now - stage.since)
    if over or not steady:
        stage = msgspec.structs.replace(stage, finished=queue.finished, since=now)
    places = max(stage.places, working, 1.0) if waiting or stage.places else 0.0
    seen = msgspec.structs.replace(stage, waiting=waiting, working=working, places=places)
    return msgspec.structs.replace(outlook, stages={**outlook.stages, name: seen})


def _measured(stage: Stage, finished: int, passed: float) -> Stage:
    """Others waited all the time, so what was done is what can be done."""
    rate = (finished - stage.finished) / passed
    measured = stage.measured + (rate - stage.measured) * SEEN_WEIGHT if stage.measured else rate
    return msgspec.structs.replace(stage, measured=max(0.0, measured), places=stage.places * FORGET)


def wait(outlook: Outlook, origin: str, asked: Mapping[str, int], burst: int, now: float, since: float) -> float:
    """Seconds that a turn of *origin* would spend in lines; *asked* were asked here after the look, from *since* on.

    The line that was seen became shorter since then; with nothing in it, nothing was done before more was asked.
    """
    seen = outlook.backlog.turns
    turns = {name: seen.get(name, 0) + asked.get(name, 0) for name in {*seen, *asked}}
    done = min(now - outlook.seen, _line(outlook, seen, origin, burst) + now - since)
    return max(0.0, _line(outlook, turns, origin, burst) - done)


def _line(outlook: Outlook, turns: Mapping[str, int], origin: str, burst: int) -> float:
    """Seconds that the next turn of *origin* spends in lines, when so many turns are unfinished.

    What waits before a stage comes to it too, so the slowest stage counts, for all that is before it. Of a stage that
    nobody waits for it need not be known how fast it is, save for the first, which all that is asked comes to.
    """
    first = outlook.stages.get(FIRST, Stage())
    before = max(0.0, shares.ahead(Backlog(turns), origin, burst) - max(1.0, first.places, first.working))
    longest = before / (first.rate or _guess(first))
    for stage in (outlook.stages.get(name, Stage()) for name in BEHIND):
        before += stage.waiting
        if stage.rate or stage.waiting:
            longest = max(longest, before / (stage.rate or UNKNOWN))
    return longest


def _guess(stage: Stage) -> float:
    """Events a second of a stage that nobody had to wait for yet: it has one place at least."""
    return max(UNKNOWN, UNSEEN / stage.seconds) if stage.seconds else UNKNOWN


def known(outlook: Outlook) -> bool:
    """Whether it was seen how fast the first stage is, with a line before it."""
    return outlook.stages.get(FIRST, Stage()).measured > 0


def work(outlook: Outlook) -> float:
    """Seconds that a turn takes where nobody waits."""
    return sum(stage.seconds for stage in outlook.stages.values())
