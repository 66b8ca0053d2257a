"""What an edge tells of its turns: one line each in the log, and a few numbers."""

import structlog
from prometheus_client import Counter, Gauge, Histogram

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

log = structlog.get_logger()


def turn(wishes: Wishes, report: Report) -> None:
    """Log and count a turn that is over; never a word of what was said."""
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
