"""The memory of a session: bounded, shared, and written by one at a time."""

import asyncio

import msgspec
import pytest
from msgspec.structs import replace
from nats.js.kv import KeyValue

from bus_schemas import Heard
from services.llm import memory as memories
from services.llm.memory import Entry, Memory, Stored
from services.runtime import streams
from services.runtime.bus import Bus
from services.runtime.errors import Unavailable


@pytest.fixture
async def bucket(bus: Bus) -> KeyValue:
    return await bus.jetstream.key_value(streams.MEMORY)


@pytest.fixture
def memory(bucket: KeyValue) -> Memory:
    return Memory(bucket, turns=2, seconds=60)


def entry(turn: str, reply: str = "Yes.") -> Entry:
    return Entry(turn, 0, f"attempt-{turn}", f"Question {turn}?", reply, n=0, text=reply, at=memories.now())


async def store(memory: Memory, *entries: Entry) -> Stored:
    for one in entries:
        assert await memory.commit("web", "s", await memory.read("web", "s"), one)
    return await memory.read("web", "s")


async def test_an_unknown_session_has_no_memory(memory: Memory) -> None:
    assert await memory.read("web", "s") == Stored()


async def test_what_was_committed_is_read_again(memory: Memory) -> None:
    first, second = entry("1"), entry("2")
    assert (await store(memory, first, second)).entries == (first, second)


async def test_sessions_and_origins_share_nothing(memory: Memory) -> None:
    await store(memory, entry("1"))
    assert await memory.read("web", "t") == Stored()
    assert await memory.read("kiosk-7", "s") == Stored()


async def test_of_two_writers_exactly_one_wins(memory: Memory) -> None:
    stored = await memory.read("web", "s")
    won = await asyncio.gather(*(memory.commit("web", "s", stored, entry(turn)) for turn in "12345678"))
    assert sorted(won) == [False] * 7 + [True]
    assert len((await memory.read("web", "s")).entries) == 1


async def test_a_session_deleted_by_an_operator_begins_anew(memory: Memory, bucket: KeyValue) -> None:
    await store(memory, entry("1"))
    await bucket.delete("web.s")
    assert (await store(memory, entry("2"))).entries[0].turn == "2"


@pytest.mark.parametrize("junk", [b"", b"\xff\xfe", b"{}", b"[1]", b'[{"turn": "a b", "run": 0}]', b"null"])
async def test_what_cannot_be_read_counts_as_nothing_and_is_replaced(
    memory: Memory, bucket: KeyValue, junk: bytes
) -> None:
    await bucket.put("web.s", junk)
    assert (await memory.read("web", "s")).entries == ()
    assert (await store(memory, entry("1"))).entries[0].turn == "1"


async def test_fields_of_a_newer_version_are_ignored(memory: Memory, bucket: KeyValue) -> None:
    one = entry("1")
    await bucket.put("web.s", msgspec.json.encode([{**msgspec.to_builtins(one), "mood": "good"}]))
    assert (await memory.read("web", "s")).entries == (one,)


async def test_the_model_is_shown_the_latest_turns_only(memory: Memory) -> None:
    stored = await store(memory, *(entry(turn) for turn in "123"))
    assert [shown.turn for shown in memory.shown(stored.entries)] == ["2", "3"]


async def test_old_turns_are_not_shown_and_leave_with_the_next_commit(memory: Memory) -> None:
    old = replace(entry("1"), at=memories.now() - 3_600_000)
    stored = Stored((old,))
    assert memory.shown(stored.entries) == ()
    assert await memory.commit("web", "s", stored, entry("2"))
    assert [kept.turn for kept in (await memory.read("web", "s")).entries] == ["2"]


async def test_a_memory_of_no_turns_shows_none_but_still_knows_what_was_answered(bucket: KeyValue) -> None:
    memory = Memory(bucket, turns=0, seconds=60)
    stored = await store(memory, entry("1"))
    assert memory.shown(stored.entries) == ()
    assert memories.find(stored.entries, "1", 0)


async def test_turns_are_bounded_in_number(memory: Memory) -> None:
    stored = await store(memory, *(entry(str(turn)) for turn in range(12)))
    assert [kept.turn for kept in stored.entries] == [str(turn) for turn in range(4, 12)]


async def test_a_session_is_bounded_in_bytes(memory: Memory, bucket: KeyValue) -> None:
    await store(memory, *(entry(turn, "long " * 10_000) for turn in "123"))
    value = (await bucket.get("web.s")).value
    assert value is not None
    assert len(value) <= memories.MAX_BYTES


async def test_a_bucket_that_is_away_is_unavailable(memory: Memory, bus: Bus) -> None:
    await bus.jetstream.delete_key_value(streams.MEMORY)
    with pytest.raises(Unavailable):
        await memory.read("web", "s")
    with pytest.raises(Unavailable):
        await memory.commit("web", "s", Stored(), entry("1"))


def test_an_interrupted_reply_is_remembered_as_far_as_it_was_heard() -> None:
    said = replace(entry("1", "One. Two. Three."), n=2, text="Three.")
    for sentences, expected in ((0, "…"), (1, "One. …"), (2, "One. Two. …"), (3, "One. Two. Three.")):
        (cut,) = memories.interrupted((said,), Heard(turn="1", sentences=sentences))
        assert memories.remembered(cut) == expected
    known, tombstone = memories.interrupted((said,), Heard(turn="2", sentences=0))
    assert known == said
    assert (tombstone.turn, tombstone.tombstone) == ("2", True)


def test_what_an_interruption_says_was_heard_is_remembered_word_for_word() -> None:
    """However the reply would be cut again."""
    said = replace(entry("1", "One. Two. Three."), n=2, text="Three.")
    (cut,) = memories.interrupted((said,), Heard(turn="1", sentences=1, text="One. Two."))
    assert memories.remembered(cut) == "One. Two. …"


def test_a_turn_that_was_stopped_before_it_was_stored_is_remembered_as_it_was_heard() -> None:
    """So are those that were interrupted before it; one of which nothing is known leaves a tombstone."""
    before = (
        Heard(turn="2", sentences=1, transcription="And?", text="One."),
        Heard(turn="3", sentences=0, transcription="Why?"),
        Heard(turn="4", sentences=0),
    )
    heard = Heard(turn="5", sentences=0, transcription="So?", before=before)
    entries = memories.interrupted(memories.interrupted((entry("1"),), heard), heard)

    assert [each.turn for each in entries] == ["1", "2", "3", "4", "5"]
    assert [each.turn for each in entries if each.tombstone] == ["4"]
    entries = tuple(each for each in entries if not each.tombstone)
    assert [memories.remembered(each) for each in entries[1:]] == ["One. …", "…", "…"]
    assert [each.transcript for each in entries[1:]] == ["And?", "Why?", "So?"]


def test_the_end_mark_of_a_reply_need_not_be_heard() -> None:
    said = replace(entry("1", "One. Two."), n=2, text="")
    (whole,) = memories.interrupted((said,), Heard(turn="1", sentences=2))
    assert memories.remembered(whole) == "One. Two."


def test_a_requeued_turn_replaces_its_older_run() -> None:
    old, other = entry("1"), entry("2")
    assert memories.without_older_runs((old, other), replace(old, run=1)) == (other,)


async def test_a_cancel_that_meets_what_is_read_is_not_lost(memory: Memory) -> None:
    """nats-py waits with `asyncio.wait_for`, which loses some on Python 3.11."""

    async def read_on() -> None:
        while True:
            await memory.read("test", "s")

    for number in range(20):
        reading = asyncio.create_task(read_on())
        await asyncio.sleep(0.01 + number / 1000)
        reading.cancel()
        done, _ = await asyncio.wait({reading}, timeout=5)
        reading.cancel()
        assert reading in done, "it went on"
        assert reading.cancelled()


async def test_tombstones_drive_no_turn_out_of_the_memory_and_are_bounded_themselves(memory: Memory) -> None:
    """A burst of interrupted questions leaves the conversation as it was."""
    await store(memory, entry("1"), entry("2"))
    for number in range(memories.KEPT_TOMBSTONES + 10):
        stored = await memory.read("web", "s")
        cut = memories.interrupted(stored.entries, Heard(turn=f"cut{number}", sentences=0))
        assert await memory.commit("web", "s", replace(stored, entries=cut), entry("3"))
    entries = (await memory.read("web", "s")).entries

    assert [each.turn for each in entries if not each.tombstone] == ["1", "2", "3"]
    assert sum(each.tombstone for each in entries) == memories.KEPT_TOMBSTONES
    assert [each.turn for each in memory.shown(entries)] == ["2", "3"]
