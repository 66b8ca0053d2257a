"""The conversation of a session, in a NATS KV bucket; writing to it is what commits a reply.

A transcript may be worked twice, even by two workers at once. Whoever stores the turn's entry first has answered it;
everybody else publishes what that entry says.
"""

import time
from typing import Protocol

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace
from nats.errors import Error as NatsError
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from bus_schemas import Heard
from bus_schemas.events import Count, Token
from services.runtime.bus import STREAM_IS_FULL
from services.runtime.errors import QueueFull, Unavailable
from services.runtime.heed import heed_cancel

from . import sentences

KEPT_TURNS = 8
"""Turns kept, whatever is shown to the model: a transcript of any of them may come again."""
KEPT_TOMBSTONES = 64
"""Turns kept of which nothing is remembered but that they were interrupted: one of them may come again, too late."""
KEPT_SECONDS = 600.0
"""As old as a transcript can get in its stream (STREAM_WORK_SECONDS)."""
MAX_BYTES = 128 * 1024
"""Of a session; older turns leave first."""
MAX_TRANSCRIPT = 4_000
"""Characters of a question that are remembered: 120 s of speech are about 2,000."""
CUT_OFF = "…"
INTERRUPTED = "interrupted"
"""In place of an attempt, for a turn that was stopped before any had stored its reply."""

STREAM_NOT_FOUND = 10059
"""The client calls a bucket that is gone a key that was not found, too."""
AWAY = (NatsError, TimeoutError, ConnectionError)

log = structlog.get_logger()


class Entry(Struct, frozen=True, omit_defaults=True):
    """One answered turn."""

    turn: Token
    run: Count
    attempt: Token
    """The run of llm whose sentences count."""
    transcript: str
    reply: str
    n: Count
    """The number of the last sentence."""
    text: str
    """The last sentence; may be empty."""
    at: int
    """When it was stored, milliseconds since 1970."""
    heard: Count | None = None
    """How many sentences reached the person who interrupted; None: all."""
    told: str = ""
    """What those say, where the interruption told it."""

    @property
    def tombstone(self) -> bool:
        """Whether nothing is known of it but that it was interrupted: its words were not known yet."""
        return self.attempt == INTERRUPTED and not self.transcript


Entries = tuple[Entry, ...]


class Stored(Struct, frozen=True):
    """What stands in the bucket for a session, oldest turn first, and the revision that a commit must find there."""

    entries: Entries = ()
    revision: int = 0


class Bucket(Protocol):
    """What the memory needs of a NATS KV bucket, whose errors it raises."""

    async def get(self, key: str) -> KeyValue.Entry:
        """The newest entry of *key*."""
        ...

    async def update(self, key: str, value: bytes, last: int) -> int:
        """Write *value* where revision *last* stands; gives the new revision."""
        ...


class Memory:
    """The bucket, bounded by turns and age."""

    def __init__(self, bucket: Bucket, *, turns: int, seconds: float) -> None:
        self._bucket = bucket
        self._turns = turns
        self._seconds = seconds

    async def read(self, origin: str, session: str) -> Stored:
        """What is stored for a session; what cannot be read counts as nothing. Raises: Unavailable."""
        key = f"{origin}.{session}"
        try:
            found = await self._bucket.get(key)
        except KeyNotFoundError as error:
            if getattr(error.__context__, "err_code", None) == STREAM_NOT_FOUND:
                raise Unavailable("the bucket of the memory is not there; run `voicebus setup`") from error
            return Stored(revision=(error.entry.revision or 0) if error.entry else 0)
        except AWAY as error:
            raise Unavailable(f"the memory of {key} cannot be read: {error!r}") from error
        finally:
            heed_cancel()
        revision = found.revision or 0
        try:
            return Stored(msgspec.json.decode(found.value or b"", type=Entries), revision)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("memory_unreadable", key=key, revision=revision, error=str(error))
            return Stored(revision=revision)

    async def commit(self, origin: str, session: str, stored: Stored, entry: Entry) -> bool:
        """Add an entry; False when somebody wrote since *stored* was read. Raises: QueueFull; Unavailable."""
        value = _encode(self._kept((*without_older_runs(stored.entries, entry), entry)))
        try:
            await self._bucket.update(f"{origin}.{session}", value, last=stored.revision)
        except KeyWrongLastSequenceError:
            return False
        except APIError as error:
            if error.err_code == STREAM_IS_FULL:
                raise QueueFull(
                    f"the bucket of the memory is full ({error.description}); raise STREAM_TEXT_MIB"
                ) from error
            raise Unavailable(f"the memory of {origin}.{session} cannot be written: {error!r}") from error
        except AWAY as error:
            raise Unavailable(f"the memory of {origin}.{session} cannot be written: {error!r}") from error
        finally:
            heed_cancel()
        return True

    def shown(self, entries: Entries) -> Entries:
        """The entries that the model may see."""
        since = now() - self._seconds * 1000
        recent = tuple(entry for entry in entries if entry.at >= since and not entry.tombstone)
        return recent[-self._turns :] if self._turns else ()

    def _kept(self, entries: Entries) -> Entries:
        since = now() - max(self._seconds, KEPT_SECONDS) * 1000
        young = [entry for entry in entries if entry.at >= since]
        kept = [entry for entry in young if not entry.tombstone][-max(self._turns, KEPT_TURNS) :]
        kept += [entry for entry in young if entry.tombstone][-KEPT_TOMBSTONES:]
        return tuple(entry for entry in young if entry in kept)


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def find(entries: Entries, turn: str, run: int) -> Entry | None:
    """The entry of one run of a turn."""
    return next((entry for entry in entries if (entry.turn, entry.run) == (turn, run)), None)


def interrupted(entries: Entries, heard: Heard | None) -> Entries:
    """The entries, knowing how much of which was heard; what llm was stopped before it stored has one then, too."""
    for one in (*heard.before, heard) if heard else ():
        entries = _cut(entries, one)
    return entries


def remembered(entry: Entry) -> str:
    """The reply as the person knows it: what was cut off ends in an ellipsis."""
    if entry.heard is None or entry.heard >= entry.n + bool(entry.text):
        return entry.reply
    return f"{entry.told or sentences.first(entry.reply, entry.heard)} {CUT_OFF}".strip()


def _cut(entries: Entries, heard: Heard) -> Entries:
    if any(entry.turn == heard.turn for entry in entries):
        return tuple(
            replace(entry, heard=heard.sentences, told=heard.text) if entry.turn == heard.turn else entry
            for entry in entries
        )
    reply = f"{heard.text} {CUT_OFF}".strip() if heard.transcription else ""
    asked = heard.transcription[:MAX_TRANSCRIPT]
    return (*entries, Entry(heard.turn, 0, INTERRUPTED, transcript=asked, reply=reply, n=0, text="", at=now()))


def without_older_runs(entries: Entries, entry: Entry) -> Entries:
    """The entries, without those of the same turn that an operator's requeue replaces by *entry*."""
    return tuple(other for other in entries if other.turn != entry.turn or other.run > entry.run)


def _encode(entries: Entries) -> bytes:
    value = msgspec.json.encode(entries)
    while len(value) > MAX_BYTES and len(entries) > 1:
        entries = entries[1:]
        value = msgspec.json.encode(entries)
    return value
