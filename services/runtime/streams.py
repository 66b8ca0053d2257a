"""The streams and consumers of voicebus: one table, made by `voicebus setup`, never by a worker."""

from collections.abc import Collection, Iterator, Mapping

import structlog
from msgspec import Struct
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    KeyValueConfig,
    RePublish,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import BucketNotFoundError, NotFoundError

from bus_schemas import Cancel, Dead, Event, Failed, Sentence, Speech, Transcript, Utterance, subjects

from . import refusals
from .errors import StartError, Unavailable
from .heed import heed_cancel
from .settings import Positive, Seconds

UTTERANCE = "VOICE_UTTERANCE"
TRANSCRIPT = "VOICE_TRANSCRIPT"
SENTENCE = "VOICE_SENTENCE"
ANSWER = "VOICE_ANSWER"
DEAD = "VOICE_DEAD"
MEMORY = "voice_memory"
LOG = "VOICE_LOG"
RECORD = "record"
"""The record's copies are on `record.voice.<event>.<origin>.<session>`: outside `voice.`, which others may hear."""
RECORDED = f"{RECORD}.{subjects.ROOT}.*.*.*"

MIB = 1024 * 1024
MAX_PAYLOAD = 8 * MIB
UTTERANCE_MIB = 7.5
"""Under the broker's `max_payload` of 8 MiB by what a dead letter adds to the utterance that it keeps."""
RECORD_MIB = 9
"""A copy has more headers than its original."""
DAY = 86_400.0

CONSUMERS = {UTTERANCE: "stt", TRANSCRIPT: "llm", SENTENCE: "tts"}
"""The durable consumer of each work queue: the stage that reads it."""
STREAM_OF: dict[type[Event], str] = {
    Utterance: UTTERANCE,
    Transcript: TRANSCRIPT,
    Sentence: SENTENCE,
    Speech: ANSWER,
    Failed: ANSWER,
    Dead: DEAD,
}
EVENT_OF = {STREAM_OF[event]: event for event in (Utterance, Transcript, Sentence)}
"""What is in a work queue."""
NAMES = (*sorted(set(STREAM_OF.values())), f"KV_{MEMORY}")
"""Every stream; the last one is the bucket's."""

log = structlog.get_logger()


class StreamSettings(Struct, frozen=True):
    """The limits that `voicebus setup` gives to the streams; byte limits are reserved on the broker's disk."""

    stream_replicas: Positive = 1
    """Copies of each stream; 3 on a cluster of three brokers."""
    stream_utterances: Positive = 1000
    """Turns that may wait or run at once; beyond it callers hear `busy`."""
    stream_utterances_per_session: Positive = 4
    """Turns of one session that may wait or run at once."""
    stream_utterance_mib: Positive = 512
    """Disk for utterances, MiB."""
    stream_text_mib: Positive = 64
    """Disk for transcripts, and as much again for sentences, MiB."""
    stream_answer_mib: Positive = 1024
    """Disk for answers, MiB."""
    stream_answer_seconds: Seconds = 120.0
    """How long an answer can be fetched again."""
    stream_dead_mib: Positive = 512
    """Disk for dead letters, MiB."""
    stream_dead_days: Positive = 7
    """How long a dead letter is kept."""
    stream_work_seconds: Seconds = 600.0
    """The oldest that unfinished work can get: a backstop."""
    ack_wait: Seconds = 6.0
    """Seconds after which the work of a dead worker is given to another; a live one says so three times in it."""
    memory_seconds: Seconds = 3600.0
    """How long a conversation is remembered after its last turn."""
    voicebus_record: bool = False
    """Keep every event of every turn, what was said and answered too, in the stream VOICE_LOG; 0 ends that."""
    stream_record_mib: Positive = 2048
    """Disk for the record, MiB; the oldest leaves first."""
    stream_record_days: Positive = 7
    """How long a turn is on record."""


def table(settings: StreamSettings) -> list[StreamConfig]:
    """Every stream. Only VOICE_UTTERANCE turns work away: what was admitted is bounded by its turn's own limits."""
    work, answers = settings.stream_work_seconds, settings.stream_answer_seconds
    text, dead_age = settings.stream_text_mib, settings.stream_dead_days * DAY
    streams = [
        _stream(
            UTTERANCE, (Utterance,), settings, mib=settings.stream_utterance_mib, message_mib=UTTERANCE_MIB, age=work
        ).evolve(
            max_msgs=settings.stream_utterances,
            max_msgs_per_subject=settings.stream_utterances_per_session,
            discard_new_per_subject=True,
        ),
        _stream(TRANSCRIPT, (Transcript,), settings, mib=text, message_mib=0.25, age=work),
        _stream(SENTENCE, (Sentence,), settings, mib=text, message_mib=0.25, age=work),
        _stream(ANSWER, (Speech, Failed), settings, mib=settings.stream_answer_mib, message_mib=8, age=answers).evolve(
            max_msgs_per_subject=512
        ),
        _stream(DEAD, (Dead,), settings, mib=settings.stream_dead_mib, message_mib=8, age=dead_age),
    ]
    return _recorded(streams, settings) if settings.voicebus_record else streams


def _recorded(streams: list[StreamConfig], settings: StreamSettings) -> list[StreamConfig]:
    """The same streams, each of which passes on what it has stored to the one that keeps it all.

    A cancel is in no other stream. What a dead letter holds is on record already.
    """
    days, mib = settings.stream_record_days, settings.stream_record_mib
    log = _stream(LOG, (Cancel,), settings, mib=mib, message_mib=RECORD_MIB, age=days * DAY)
    log = log.evolve(subjects=[RECORDED, *(log.subjects or ())])
    return [
        log,
        *(
            config.evolve(republish=RePublish(">", f"{RECORD}.>", headers_only=config.name == DEAD or None))
            for config in streams
        ),
    ]


def _stream(
    name: str, events: tuple[type[Event], ...], settings: StreamSettings, *, mib: int, message_mib: float, age: float
) -> StreamConfig:
    queue = name in CONSUMERS
    return StreamConfig(
        name=name,
        subjects=[subjects.every(event) for event in events],
        retention=RetentionPolicy.WORK_QUEUE if queue else RetentionPolicy.LIMITS,
        discard=DiscardPolicy.NEW if queue else DiscardPolicy.OLD,
        storage=StorageType.FILE,
        num_replicas=settings.stream_replicas,
        max_bytes=mib * MIB,
        max_msg_size=int(message_mib * MIB),
        max_age=age,
        duplicate_window=min(120.0, age),
        allow_direct=True,
    )


def consumer(stream: str, settings: StreamSettings) -> ConsumerConfig:
    """The consumer of a work queue. Deliveries are without a limit here: the worker counts them."""
    return ConsumerConfig(
        durable_name=CONSUMERS[stream],
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=settings.ack_wait,
        max_deliver=-1,
        max_ack_pending=-1,
        max_waiting=512,
    )


async def setup(jetstream: JetStreamContext, settings: StreamSettings) -> list[str]:
    """Make what is missing, turn the record on or off, and tell what else stands differently: that is never changed.

    Raises: StartError naming every stream whose reservation did not fit on the broker's disk; Unavailable when nobody
    answers for JetStream, as in a cluster that has no leader yet.
    """
    differences: list[str] = []
    refused: list[str] = []
    for config in table(settings):
        with refusals.noted(str(config.name), refused):
            differences += await _ensure_stream(jetstream, config)
            if config.name in CONSUMERS:
                differences += await _ensure_consumer(jetstream, str(config.name), settings)
    if not settings.voicebus_record:
        with refusals.noted(RECORD, refused):
            await _end_record(jetstream)
    with refusals.noted(MEMORY, refused):
        differences += await _ensure_memory(jetstream, settings)
    if refused:
        raise StartError(
            "the broker refused " + "; ".join(refused) + ". Give JetStream more storage, or lower the STREAM_* settings"
        )
    return differences


def too_small(client: Client) -> list[str]:
    """What the broker's own limits are too small for."""
    if client.max_payload >= MAX_PAYLOAD:
        return []
    return [f"the broker: max_payload is {client.max_payload}, voicebus needs {MAX_PAYLOAD} (8MB in its configuration)"]


async def standing(jetstream: JetStreamContext) -> dict[str, StreamInfo]:
    """The streams that are there. Raises: Unavailable when the broker does not answer."""
    found: dict[str, StreamInfo] = {}
    for name in NAMES:
        try:
            found[name] = await jetstream.stream_info(name)
        except NotFoundError:
            pass
        except (NatsError, TimeoutError, ConnectionError) as error:
            raise Unavailable(f"the broker does not tell of its streams: {error!r}") from error
        finally:
            heed_cancel()
    return found


def missing(there: Collection[str]) -> list[str]:
    """The streams that are not *there*."""
    return [name for name in NAMES if name not in there]


def faults(there: Mapping[str, StreamInfo]) -> list[str]:
    """What of the streams that are *there* keeps turns from being answered, each with what to do.

    Without VOICE_DEAD turns are answered: `voicebus doctor` and the worker that has a letter say that it is missing.
    """
    lacking = [name for name in missing(there) if name != DEAD]
    found = [f"{', '.join(lacking)} not there; run `voicebus setup`"] if lacking else []
    for config in table(StreamSettings()):
        info = there.get(str(config.name))
        if info is None:
            continue
        if info.config.sealed:
            found.append(f"{config.name} is sealed and takes nothing: delete it, then run `voicebus setup`")
        unheard = set(config.subjects or ()) - set(info.config.subjects or ())
        if unheard:
            found.append(f"{config.name} does not take {', '.join(sorted(unheard))}: `nats stream edit` gives it back")
    return found


async def _ensure_stream(jetstream: JetStreamContext, config: StreamConfig) -> list[str]:
    name = str(config.name)
    try:
        standing = (await jetstream.stream_info(name)).config
    except NotFoundError:
        await jetstream.add_stream(config)
        log.info("stream_created", stream=name)
        return []
    wanted = standing.evolve(republish=config.republish)
    if name == LOG:
        wanted = wanted.evolve(subjects=config.subjects)
    if wanted != standing:
        await jetstream.update_stream(wanted)
        log.info("record_turned", stream=name, on=config.republish is not None or name == LOG)
    return list(_differences(name, config, wanted))


async def _end_record(jetstream: JetStreamContext) -> None:
    """Nothing more comes to the record; what it has stays until it is too old."""
    try:
        standing = (await jetstream.stream_info(LOG)).config
    except NotFoundError:
        return
    if standing.subjects != [RECORDED]:
        await jetstream.update_stream(standing.evolve(subjects=[RECORDED]))


async def _ensure_consumer(jetstream: JetStreamContext, stream: str, settings: StreamSettings) -> list[str]:
    config = consumer(stream, settings)
    name = str(config.durable_name)
    try:
        standing = (await jetstream.consumer_info(stream, name)).config
    except NotFoundError:
        await jetstream.add_consumer(stream, config)
        log.info("consumer_created", stream=stream, consumer=name)
        return []
    return list(_differences(f"{stream}/{name}", config, standing))


async def _ensure_memory(jetstream: JetStreamContext, settings: StreamSettings) -> list[str]:
    config = KeyValueConfig(
        bucket=MEMORY,
        history=1,
        ttl=settings.memory_seconds,
        replicas=settings.stream_replicas,
        max_bytes=settings.stream_text_mib * MIB,
        storage=StorageType.FILE,
    )
    try:
        status = await (await jetstream.key_value(MEMORY)).status()
    except (BucketNotFoundError, NotFoundError):
        await jetstream.create_key_value(config)
        log.info("bucket_created", bucket=MEMORY)
        return []
    ttl = status.ttl or 0
    if ttl == config.ttl:
        return []
    return [f"{MEMORY}: ttl is {ttl}, the table says {config.ttl}"]


def _differences(name: str, wanted: StreamConfig | ConsumerConfig, standing: object) -> Iterator[str]:
    for field, value in vars(wanted).items():
        there = getattr(standing, field, None)
        if value is not None and there != value:
            yield f"{name}: {field} is {there}, the table says {value}"
