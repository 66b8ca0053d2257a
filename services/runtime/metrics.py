"""What every stage counts; labels are few, and never a session."""

from prometheus_client import Counter, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

EVENTS = Counter("voicebus_events_total", "Events settled, by how they ended.", ["stage", "outcome"])
QUEUE = Histogram(
    "voicebus_queue_seconds", "From the broker's timestamp to the worker's hands.", ["stage"], buckets=SECONDS
)
SERVICE = Histogram("voicebus_service_seconds", "From the worker's hands to the settling.", ["stage"], buckets=SECONDS)
CANCEL = Histogram(
    "voicebus_cancel_seconds",
    "From a cancel's receipt until the handler and its engine have stopped.",
    ["stage"],
    buckets=SECONDS,
)
RETRIES = Counter("voicebus_publish_retries_total", "Publishes that had to wait for room or for the broker.", ["stage"])
REDELIVERIES = Counter("voicebus_redeliveries_total", "Events that were delivered before.", ["stage"])
