"""What an edge tells of its turns: one line each in the log, and a few numbers."""

from collections import Counter as Count
from functools import cache, partial

import structlog
from msgspec.structs import replace
from prometheus_client import Counter, Gauge, Histogram

from bus_schemas import Utterance, codes
from services.runtime import sightings
from services.runtime.bus import Bus
from services.runtime.metrics import SECONDS
from services.runtime.sightings import ASKED, Sighting

from . import parting
from .actions import Report
from .turn import Wishes

OUTCOMES = ("answered", "silent", "busy", "refused", "failed", "cancelled", "closed")
"""How a turn ends, as `Report.outcome` says it."""
CODES = frozenset(value for name, value in vars(codes).items() if name.isupper() and value != codes.REFUSED)
OTHER = "other"
"""Stands for every code that is none of ours: anybody on the bus may write one."""
HANDSHAKE_CODES = (
    codes.BAD_PARAMETER,
    codes.UNKNOWN_PATH,
    codes.METHOD,
    codes.UNAUTHORIZED,
    codes.ORIGIN,
    codes.BUSY,
    codes.UNAVAILABLE,
)
WHOLE, STREAMED = "whole", "streamed"

TURNS = Counter("voicebus_turns_total", "Turns, by how they ended.", ["outcome"])
ERRORS = Counter("voicebus_turn_errors_total", "Turns that ended in an error, by its code.", ["code"])
TURN_SECONDS = Histogram(
    "voicebus_turn_seconds", "From a frame to the end of its reply.", ["outcome"], buckets=(*SECONDS, 120.0)
)
FIRST_AUDIO_SECONDS = Histogram(
    "voicebus_time_to_first_audio_seconds",
    "From a frame to the first sound of its reply; of one that is sent whole, to its end.",
    ["reply"],
    buckets=SECONDS,
)
SOCKETS = Gauge("voicebus_open_sockets", "Sockets that are open.")
OPENED = Counter("voicebus_opened_sockets_total", "Sockets that were opened.")
REFUSED = Counter("voicebus_refused_sockets_total", "Handshakes that were refused, by their code.", ["code"])
CLOSED = Counter("voicebus_closed_sockets_total", "Sockets that were closed, by why.", ["reason"])
RECOVERIES = Counter("voicebus_recoveries_total", "Readings of what a socket may have missed.")

ENDS: Count[str] = Count()
"""How many turns ended how, for who asks this process; the numbers of `TURNS`."""

log = structlog.get_logger()


def begin() -> None:
    """Have every series in a scrape from the first one on, those that stand at 0 as well."""
    for outcome in OUTCOMES:
        _ended(outcome)
    for code in (*CODES, OTHER):
        ERRORS.labels(code)
    for reply in (WHOLE, STREAMED):
        FIRST_AUDIO_SECONDS.labels(reply)
    for code in HANDSHAKE_CODES:
        REFUSED.labels(code)
    for reason in parting.REASONS:
        CLOSED.labels(reason)


def asked(bus: Bus, utterance: Utterance) -> None:
    """A turn is about to be put on the bus."""
    emptied = replace(utterance, wav=b"")  # it is kept as long as the turn is open
    bus.sightings.began((utterance.session, utterance.turn), partial(sightings.of, emptied, "edge", ASKED, bus.time()))


def turn(wishes: Wishes, report: Report, bus: Bus) -> None:
    """Log, count and tell a turn that is over; never a word of what was said."""
    bus.sightings.ended((wishes.session, report.turn))
    if bus.sightings.watched:
        bus.sightings.tell(_seen(wishes, report, bus.time()))
    ENDS[report.outcome] += 1
    turns, seconds = _ended(report.outcome)
    turns.inc()
    if report.turn:
        seconds.observe(report.seconds)
    if report.code:
        ERRORS.labels(report.code if report.code in CODES else OTHER).inc()
    _first_audio(wishes, report)
    fields: dict[str, float] = {}
    if report.first_sound:
        fields["first_sound"] = round(report.first_sound, 3)
    for step in report.trail:
        fields[f"{step.stage}_queue_ms"] = step.queue_ms
        fields[f"{step.stage}_service_ms"] = step.service_ms
    log.info(
        "turn_finished",
        origin=wishes.origin,
        session=wishes.session,
        turn=report.turn,
        outcome=report.outcome,
        code=report.code,
        stage=report.stage,
        seconds=round(report.seconds, 3),
        **fields,
    )


def _seen(wishes: Wishes, report: Report, at: float) -> Sighting:
    who = wishes.origin, wishes.session, report.turn
    return Sighting("edge", report.outcome, at, *who, code=report.code, stage=report.stage)


def _first_audio(wishes: Wishes, report: Report) -> None:
    """A streamed reply says when its first sound left; a whole one leaves at once, at its end."""
    if report.first_sound:
        FIRST_AUDIO_SECONDS.labels(STREAMED).observe(report.first_sound)
    elif report.outcome == "answered" and not wishes.stream:
        FIRST_AUDIO_SECONDS.labels(WHOLE).observe(report.seconds)


@cache
def _ended(outcome: str) -> tuple[Counter, Histogram]:
    return TURNS.labels(outcome), TURN_SECONDS.labels(outcome)
