"""What an edge tells of its turns: one line each in the log, and a few numbers."""

from collections import Counter as Count
from functools import partial

import structlog
from msgspec.structs import replace
from prometheus_client import Counter, Gauge, Histogram

from bus_schemas import Utterance
from services.runtime import sightings
from services.runtime.bus import Bus
from services.runtime.sightings import ASKED, Sighting

from .actions import Report
from .turn import Wishes

SECONDS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)

TURNS = Counter("voicebus_turns_total", "Turns, by how they ended.", ["outcome"])
TURN_SECONDS = Histogram("voicebus_turn_seconds", "From a frame to the end of its reply.", buckets=SECONDS)
FIRST_SOUND_SECONDS = Histogram(
    "voicebus_first_sound_seconds", "From a frame to the first sound of its streamed reply.", buckets=SECONDS
)
SOCKETS = Gauge("voicebus_open_sockets", "Sockets that are open.")
REFUSED = Counter("voicebus_refused_sockets_total", "Handshakes that were refused, by their code.", ["code"])
CLOSED = Counter("voicebus_closed_total", "Sockets that were closed, by why.", ["reason"])
RECOVERIES = Counter("voicebus_recoveries_total", "Readings of what a socket may have missed.")

ENDS: Count[str] = Count()
"""How many turns ended how, for who asks this process; the numbers of `TURNS`."""

log = structlog.get_logger()


def asked(bus: Bus, utterance: Utterance) -> None:
    """A turn is about to be put on the bus."""
    emptied = replace(utterance, wav=b"")  # it is kept as long as the turn is open
    bus.sightings.began((utterance.session, utterance.turn), partial(sightings.of, emptied, "edge", ASKED, bus.time()))


def turn(wishes: Wishes, report: Report, bus: Bus) -> None:
    """Log, count and tell a turn that is over; never a word of what was said."""
    bus.sightings.ended((wishes.session, report.turn))
    bus.sightings.tell(partial(_seen, wishes, report, bus.time()))
    ENDS[report.outcome] += 1
    TURNS.labels(report.outcome).inc()
    if report.turn:
        TURN_SECONDS.observe(report.seconds)
    fields: dict[str, float] = {}
    if report.first_sound:
        FIRST_SOUND_SECONDS.observe(report.first_sound)
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
