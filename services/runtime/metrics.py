"""What every service counts, and every stage. Labels are few and known beforehand: never a session, never an origin."""

from functools import cache

from msgspec import Struct
from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from bus_schemas import codes

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, that nobody asks for

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0)
"""Of everything that a person waits for: fine where a conversation is felt to be slow, up to the usual time-out."""
FACTORS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0, 10.0)
OUTCOMES = (
    "finished", "refused", "busy", "deadline", "cancelled", "unavailable",
    "crashed", "given_up", "rejected", "sick", "unsettled",
)  # fmt: skip
"""How an event ends, as the worker says it."""

EVENTS = Counter("voicebus_events_total", "Events settled, by how they ended.", ["stage", "outcome"])
QUEUE_WAIT = Histogram(
    "voicebus_queue_wait_seconds", "From the broker's timestamp to the worker's hands.", ["stage"], buckets=SECONDS
)
SERVICE = Histogram("voicebus_service_seconds", "From the worker's hands to the settling.", ["stage"], buckets=SECONDS)
FIRST_OUTPUT = Histogram(
    "voicebus_first_output_seconds",
    "From the worker's hands to its first output, stored by the broker.",
    ["stage"],
    buckets=SECONDS,
)
CANCEL = Histogram(
    "voicebus_cancel_seconds",
    "From a cancel's receipt until the handler and its engine have stopped.",
    ["stage"],
    buckets=SECONDS,
)
REAL_TIME_FACTOR = Histogram(
    "voicebus_real_time_factor", "Seconds of work for a second of audio: below 1 keeps up.", ["stage"], buckets=FACTORS
)
AUDIO = Counter("voicebus_audio_seconds_total", "Audio that was heard by stt, or made by tts.", ["stage"])
RETRIES = Counter("voicebus_publish_retries_total", "Publishes that had to wait for room or for the broker.", ["stage"])
REDELIVERIES = Counter("voicebus_redeliveries_total", "Events that were delivered before.", ["stage"])
DEAD_LETTERS = Counter("voicebus_dead_letters_total", "Events that were given up, and kept.", ["stage", "code"])
RUNNING = Gauge("voicebus_events_running", "Events that are being worked on now.", ["stage"])
PLACES = Gauge("voicebus_places", "Events that a worker works on at once, at most.", ["stage"])

READY = Gauge("voicebus_ready", "1 when nothing is missing, as /readyz says it; else 0.")
RECONNECTS = Counter("voicebus_bus_reconnects_total", "How often a lost connection to the broker was made again.")
DROPS = Counter("voicebus_bus_drops_total", "How often messages were dropped unread; what was missed is read again.")
BUS_TROUBLE = Gauge("voicebus_bus_trouble", "1 while the broker cannot be used, or stores nothing; else 0.")
UNREADABLE = Counter(
    "voicebus_bus_unreadable_total", "Messages with headers or a subject that cannot be read, dropped or rejected."
)
CLOCK_SKEW = Gauge("voicebus_clock_skew_seconds", "How far the broker's clock is ahead of this machine's.")


class StageMetrics(Struct, frozen=True):
    """The series of one stage, found once: a label costs more than a count."""

    queue_wait: Histogram
    service: Histogram
    first_output: Histogram
    cancel: Histogram
    real_time_factor: Histogram
    audio: Counter
    retries: Counter
    redeliveries: Counter
    running: Gauge
    places: Gauge


@cache
def of(stage: str) -> StageMetrics:
    """The series of *stage*. From now on all of them are in a scrape, also those that stand at 0."""
    for outcome in OUTCOMES:
        settled(stage, outcome)
    for code in (codes.CRASHED, codes.NOT_AN_EVENT):
        DEAD_LETTERS.labels(stage, code)
    return StageMetrics(
        queue_wait=QUEUE_WAIT.labels(stage),
        service=SERVICE.labels(stage),
        first_output=FIRST_OUTPUT.labels(stage),
        cancel=CANCEL.labels(stage),
        real_time_factor=REAL_TIME_FACTOR.labels(stage),
        audio=AUDIO.labels(stage),
        retries=RETRIES.labels(stage),
        redeliveries=REDELIVERIES.labels(stage),
        running=RUNNING.labels(stage),
        places=PLACES.labels(stage),
    )


@cache
def settled(stage: str, outcome: str) -> Counter:
    """Counts the events of *stage* that ended with *outcome*."""
    return EVENTS.labels(stage, outcome)


def worked(stage: str, work: float, audio: float) -> None:
    """*work* seconds were spent on *audio* seconds of sound; silence that is no sound at all says nothing."""
    if audio > 0:
        of(stage).real_time_factor.observe(work / audio)
        of(stage).audio.inc(audio)
