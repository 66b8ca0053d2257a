"""Everything that the broker keeps of one session, overwritten.

The broker overwrites what is deleted by its number, and merely drops what is purged, acked, too old or written anew.
So messages are deleted one by one. A bucket lets nothing be deleted: what is purged from it lies in a file until that
is written anew, which the broker does once most of it is dead. That is brought about here.
"""

import secrets
from collections import Counter

import msgspec
from msgspec import Struct
from nats.js.errors import APIError

from bus_schemas import Cancel, subjects
from services.runtime import browse, dead, streams
from services.runtime.bus import Bus
from services.runtime.errors import Unavailable

RECORD, ANSWERS, LETTERS, QUEUES, MEMORY = "record", "answers", "dead_letters", "queues", "memory"
CANCELS = "cancels"
"""On record, and nothing that was said: apart, because erasing begins with one."""
BUCKET = f"KV_{streams.MEMORY}"
FILLER = f"$KV.{streams.MEMORY}.forget"
"""No session's key: those have two parts."""
FILLER_BYTES = 4 * streams.MIB + 4096
"""The broker begins a new file after 8 MiB: two of these are enough, wherever the last one stands."""
ASK_SECONDS = 5.0
NO_MESSAGE, NO_STREAM = 10037, 10059


class _Message(Struct, frozen=True):
    seq: int


class _Error(Struct, frozen=True):
    err_code: int = 0
    description: str = ""


class _Found(Struct, frozen=True):
    message: _Message | None = None
    error: _Error = _Error()


class _Purged(Struct, frozen=True):
    purged: int = 0
    error: _Error = _Error()


async def session(bus: Bus, origin: str, session: str) -> Counter[str]:
    """Erase what there is now of a session; how many messages, by where they were. Raises: BadSubject, Unavailable."""
    found = Counter[str]()
    for place, stream, subject in _places(origin, session):
        with browse.told(stream):
            found[place] += await _overwrite(bus, stream, subject)
    with browse.told(BUCKET):
        found[MEMORY] += await _purge(bus, f"$KV.{streams.MEMORY}.{origin}.{session}")
    return found


async def sweep(bus: Bus) -> None:
    """Have the broker write the file anew that memory was purged from. Raises: Unavailable."""
    with browse.told(BUCKET):
        for _ in range(2):
            await bus.jetstream.publish(FILLER, secrets.token_bytes(FILLER_BYTES))
        await _purge(bus, FILLER)


def _places(origin: str, session: str) -> list[tuple[str, str, str]]:
    """Where a session's messages are: the kind of place, its stream, their subjects."""
    all_events = subjects.conversation(origin, session)
    return [
        *((QUEUES, stream, all_events) for stream in streams.CONSUMERS),
        (ANSWERS, streams.ANSWER, all_events),
        (LETTERS, streams.DEAD, all_events),
        (RECORD, streams.LOG, f"{streams.RECORD}.{all_events}"),
        (CANCELS, streams.LOG, subjects.subject(Cancel, origin, session)),
    ]


async def _overwrite(bus: Bus, stream: str, subject: str) -> int:
    count, number = 0, 1
    while number := await _next(bus, stream, subject, number):
        try:
            await bus.jetstream.delete_msg(stream, number)
            count += 1
        except APIError as error:
            if error.err_code not in dead.GONE:
                raise
        number += 1
    return count


async def _next(bus: Bus, stream: str, subject: str, number: int) -> int:
    """The number of the first message from *number* on; 0 when there is none, nor a record of any."""
    ask = msgspec.json.encode({"seq": number, "next_by_subj": subject})
    answer = await bus.client.request(f"$JS.API.STREAM.MSG.GET.{stream}", ask, timeout=ASK_SECONDS)
    found = msgspec.json.decode(answer.data, type=_Found)
    if found.message:
        return found.message.seq
    if found.error.err_code == NO_MESSAGE or (stream == streams.LOG and found.error.err_code == NO_STREAM):
        return 0
    raise Unavailable(f"the broker does not look into {stream}: {found.error.description}; run `voicebus setup`")


async def _purge(bus: Bus, subject: str) -> int:
    ask = msgspec.json.encode({"filter": subject})
    answer = await bus.client.request(f"$JS.API.STREAM.PURGE.{BUCKET}", ask, timeout=ASK_SECONDS)
    done = msgspec.json.decode(answer.data, type=_Purged)
    if done.error.err_code:
        raise Unavailable(f"the broker does not purge {BUCKET}: {done.error.description}; run `voicebus setup`")
    return done.purged
