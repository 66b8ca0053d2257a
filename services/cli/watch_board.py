"""What `voicebus watch` knows: turns, workers, queues and failures, all of them bounded. It touches nothing."""

from collections import Counter, OrderedDict, deque

from msgspec import Struct, field
from msgspec.structs import replace

from services.runtime.sightings import ASKED, STARTED, Sighting

from .watch_items import Broker, Depths, Item, Missed, Said, Worker

STAGES = ("stt", "llm", "tts")
LINGER_SECONDS = 8.0
"""So long a turn that is over stays in the picture."""
LOST_SECONDS = 120.0
"""A turn that nobody has told anything of for so long is forgotten."""
GONE_SECONDS = 3.5
"""A worker that has not answered for so long has gone; it is asked every second."""
MOST_TURNS, MOST_WORKERS, MOST_FAILURES = 500, 500, 50
MOST_WORDS = 2000
"""Characters of what was said in one turn."""
OVER = frozenset({"refused", "busy", "deadline", "given_up", "rejected"})
"""Ends in a stage that are the end of a turn."""
FAILED = OVER | {"failed"}
FINE = frozenset({"finished", "cancelled"})


class Lane(Struct):
    """One stage of a turn."""

    queue_ms: float = 0.0
    """Of the first event that it took."""
    work_ms: float = 0.0
    """Of all that are done."""
    done: int = 0
    outcome: str = ""
    """Of the last that was no `finished`."""
    open: dict[int, float] = field(default_factory=dict)
    """The events in its hands, by their number, and since when."""


class Turn(Struct):
    """A turn, as far as it was seen."""

    origin: str
    session: str
    turn: str
    run: int
    began: float
    """Seconds since 1970, as all times here."""
    seen: float
    older: bool = False
    """It was under way already: what it passed before was not seen."""
    asked: bool = False
    """An edge tells of it, its end too."""
    lanes: dict[str, Lane] = field(default_factory=dict)
    outcome: str = ""
    """How it ended; empty while it goes on."""
    code: str = ""
    ended: float = 0.0
    words: str = ""


class Failure(Struct, frozen=True):
    """A turn that came to nothing, an event of one that is tried again, or a broker that was away."""

    at: float
    origin: str
    session: str
    turn: str
    stage: str
    outcome: str
    code: str


class Board:
    """Everything that is seen now."""

    def __init__(self, since: float) -> None:
        self._since = since
        self.turns: OrderedDict[tuple[str, str, str, int], Turn] = OrderedDict()
        self.workers: dict[str, Worker] = {}
        self.failures: deque[Failure] = deque(maxlen=MOST_FAILURES)
        self.depths = Depths({}, 0)
        self.broker = Broker(True)
        self.away_since = 0.0
        self.ends: Counter[str] = Counter()
        self.missed = 0
        self._answered: dict[str, float] = {}

    def take(self, item: Item, now: float) -> None:
        """Something was heard at *now*."""
        match item:
            case Sighting():
                self._sighting(item)
            case Worker(gone=False):
                if item.id in self.workers or len(self.workers) < MOST_WORKERS:
                    self.workers[item.id], self._answered[item.id] = item, now
            case Depths():
                self.depths = item
            case Broker():
                self._broker(item, now)
            case Said():
                turn = self.turns.get((item.origin, item.session, item.turn, item.run))
                if turn is not None:
                    turn.words = f"{turn.words}\n{item.who}: {item.text}".strip()[:MOST_WORDS]
            case Missed(count):
                self.missed += count

    def knows(self, seen: Sighting) -> bool:
        """Whether it was told before: what is open is told again whenever somebody else begins to watch."""
        turn = self.turns.get((seen.origin, seen.session, seen.turn, seen.run))
        if turn is None:
            return False
        if seen.what == ASKED:
            return turn.asked
        lane = turn.lanes.get(seen.service)
        return seen.what == STARTED and lane is not None and lane.open.get(seen.n) == seen.at

    def forget(self, now: float) -> list[Worker]:
        """Let go of what is over; gives the workers that have gone."""
        for key, turn in tuple(self.turns.items()):
            if now - (turn.ended or now) > LINGER_SECONDS or now - turn.seen > LOST_SECONDS:
                del self.turns[key]
        silent = [name for name, at in self._answered.items() if self.broker.there and now - at > GONE_SECONDS]
        for name in silent:
            del self._answered[name]
        return [replace(self.workers.pop(name), gone=True) for name in silent]

    def _broker(self, broker: Broker, now: float) -> None:
        """What was open may have ended unseen: it is told anew when the broker is back."""
        if broker.there and self.away_since:
            told = f"was away for {now - self.away_since:.1f} s"
            self.failures.append(Failure(now, "", "", "", "broker", told, ""))
        self.broker, self.away_since, self._since = broker, 0.0 if broker.there else now, now
        self._answered = dict.fromkeys(self._answered, now)
        for key in [key for key, turn in self.turns.items() if broker.there and not turn.outcome]:
            del self.turns[key]

    def _sighting(self, seen: Sighting) -> None:
        key = (seen.origin, seen.session, seen.turn, seen.run)
        turn = self.turns.get(key)
        if turn is None and seen.what in (ASKED, STARTED):
            turn = self.turns[key] = Turn(*key, seen.at - seen.queue_ms / 1000, seen.at, older=seen.at < self._since)
            self._make_room()
        if turn is not None:
            turn.seen = max(turn.seen, seen.at)
            turn.began = min(turn.began, seen.at)
            turn.asked = turn.asked or seen.what == ASKED
        if seen.service == "edge":
            if seen.what != ASKED:
                self._end(turn, seen)
        elif turn is not None:
            self._stage(turn, turn.lanes.setdefault(seen.service, Lane()), seen)

    def _stage(self, turn: Turn, lane: Lane, seen: Sighting) -> None:
        if seen.what == STARTED:
            lane.queue_ms = lane.queue_ms if lane.done or lane.open else seen.queue_ms
            lane.open[seen.n] = seen.at
            return
        began = lane.open.pop(seen.n, None)
        lane.work_ms += 1000 * (seen.at - began) if began is not None else 0.0
        if seen.what == "finished":
            lane.done += 1
        else:
            lane.outcome = seen.what
        spoken = seen.service == STAGES[-1] and seen.what == "finished" and seen.last
        if not turn.asked and (spoken or seen.what in OVER | {"cancelled"}):
            self._end(turn, replace(seen, what="spoken" if spoken else seen.what, stage=seen.service))
        elif seen.what not in FINE and not (turn.asked and seen.what in OVER):  # of those an edge tells
            self._failed(seen, seen.service)

    def _end(self, turn: Turn | None, seen: Sighting) -> None:
        self.ends[seen.what] += 1
        if turn is not None:
            turn.outcome, turn.code, turn.ended = seen.what, seen.code, seen.at
        if seen.what in FAILED:
            self._failed(seen, seen.stage)

    def _failed(self, seen: Sighting, stage: str) -> None:
        self.failures.append(Failure(seen.at, seen.origin, seen.session, seen.turn, stage, seen.what, seen.code))

    def _make_room(self) -> None:
        if len(self.turns) > MOST_TURNS:
            over = next((key for key, turn in self.turns.items() if turn.outcome), next(iter(self.turns)))
            del self.turns[over]


def place(turn: Turn) -> str:
    """Where a turn is, in words."""
    if turn.outcome:
        return turn.outcome
    working = [stage for stage in STAGES if stage in turn.lanes and turn.lanes[stage].open]
    if working:
        return f"in {' and '.join(working)}"
    passed = [number for number, stage in enumerate(STAGES, start=1) if stage in turn.lanes and turn.lanes[stage].done]
    waits = max(passed, default=0)
    if turn.older and not waits:
        return "under way"
    return f"waits for {STAGES[waits]}" if waits < len(STAGES) else "leaves"
