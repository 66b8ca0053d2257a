"""The figures of a run, and what is wrong with them."""

from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec import Struct

from .faults import IDLE
from .fleet import STAGES
from .scenarios import CALM, Phase, Scenario

HEAD = ("phase", "turns", "answered", "failed", "lost", "doubled", "spliced", "longest wait")
MAY_FAIL = {"unavailable", "closed 1001", "closed 1012"}
"""What a client may be told where not every turn must be answered: ask again."""
TOLD = "refused.not_an_event"


class Row(Struct, frozen=True):
    """A turn, as the verdict has written it down."""

    number: int
    who: str
    began: float
    ended: float
    reason: str
    problem: str
    outcome: str


class Told(Struct, frozen=True):
    """A phase and when it began and ended, seconds since 1970."""

    phase: Phase
    began: float
    ended: float

    def of(self, rows: Sequence[Row]) -> list[Row]:
        """The turns that were asked in it."""
        return [row for row in rows if self.began <= row.began < self.ended]


def shown(scenario: Scenario, told: Sequence[Told], rows: Sequence[Row], done: Counter[str]) -> str:
    """The table."""
    turns = [row for row in rows if row.who != "garbage"]
    garbage = [row for row in rows if row.who == "garbage"]
    lines = [_line(phase.phase.name, phase.of(turns)) for phase in told]
    lines += [_line("all", turns), _line("what is no event", garbage)]
    widths = [max(len(line[column]) for line in [HEAD, *lines]) for column in range(len(HEAD))]
    table = [
        "  ".join(
            cell.ljust(width) if not column else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in [HEAD, *lines]
    ]
    reasons = Counter(f"{row.reason} ({row.who})" for row in turns if row.outcome == "failed")
    kills = ", ".join(f"{name} {done[name]}" for name in (*STAGES, "broker"))
    limits = ", ".join(
        f"{phase.phase.name}: {allowed(scenario, told, turns):.1f} s" for phase in told if phase.phase.bounded
    )
    others = ", ".join(f"{name} {count}" for name, count in sorted(done.items()) if name not in (*STAGES, "broker"))
    return "\n".join(
        [
            *table,
            f"failed with: {_listed(reasons)}",
            f"SIGKILLs: {kills}",
            f"also: {others}",
            f"allowed wait: {limits or 'no limit'}",
        ]
    )


def wrong(scenario: Scenario, told: Sequence[Told], rows: Sequence[Row], done: Counter[str]) -> Iterator[str]:
    """Every promise that was not kept."""
    turns = [row for row in rows if row.who != "garbage"]
    if len(turns) < scenario.turns:
        yield f"only {len(turns)} turns were asked; a run has {scenario.turns}"
    for name, least in (*((stage, scenario.kills) for stage in STAGES), ("broker", scenario.broker_kills)):
        if done[name] < least:
            yield f"{name} was killed {done[name]} times; a run has {least}"
    if done[IDLE]:
        yield f"{done[IDLE]} strikes hit a stage that held no work: is there load?"
    for row in rows:
        if row.outcome in ("lost", "doubled"):
            yield f"question {row.number} ({row.who}) was {row.outcome} {row.reason}"
        if row.problem:
            yield f"question {row.number} ({row.who}): {row.problem}"
        if row.who == "garbage" and row.outcome in ("answered", "failed") and row.reason != TOLD:
            yield f"what was no event was {row.outcome} {row.reason}"
    for phase in told:
        yield from _wrong_in(phase, phase.of(turns), allowed(scenario, told, turns))


def _wrong_in(told: Told, turns: Sequence[Row], most: float) -> Iterator[str]:
    if told.phase.bounded and longest(turns) > most:
        yield f"a turn waited {longest(turns):.1f} s while: {told.phase.name}; {most:.1f} s are allowed"
    for row in turns:
        if row.outcome == "failed" and (told.phase.answered or row.reason not in MAY_FAIL):
            yield f"question {row.number} ({row.who}) failed with {row.reason} while: {told.phase.name}"


def allowed(scenario: Scenario, told: Sequence[Told], turns: Sequence[Row]) -> float:
    """Seconds that a turn may take that a worker's death has hit: twice ACK_WAIT, and what it takes in the calm."""
    return 2 * scenario.ack_wait + longest(
        [row for phase in told if phase.phase.name == CALM for row in phase.of(turns)]
    )


def longest(rows: Sequence[Row]) -> float:
    """The longest wait for an ending, seconds."""
    return max((row.ended - row.began for row in rows if row.ended), default=0.0)


def _line(name: str, rows: Sequence[Row]) -> tuple[str, ...]:
    outcomes = Counter(row.outcome for row in rows)
    spliced = sum(bool(row.problem) for row in rows)
    counts = (outcomes[outcome] for outcome in ("answered", "failed", "lost", "doubled"))
    return (name, str(len(rows)), *map(str, counts), str(spliced), f"{longest(rows):.1f} s")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "nothing"
