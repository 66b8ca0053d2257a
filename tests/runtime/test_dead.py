"""Dead letters are found by their headers, read one at a time, and nothing is left behind at the broker."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from bus_schemas import Dead, codes
from services.runtime import dead
from services.runtime.bus import Bus, BusSettings
from services.runtime.dead import Letter, NoLetter, Wanted
from services.runtime.errors import Unavailable
from services.runtime.streams import DEAD
from tests import wire

LETTER = Dead(
    origin="kiosk",
    session="7",
    turn="t0",
    stage="stt",
    code=codes.CRASHED,
    reason="it died",
    subject="voice.utterance.kiosk.7",
    sequence=1,
    deliveries=2,
    headers={"Voice-Event": '{"turn":"t0"}', "Mine": "é"},
    body=b"R" * 100_000,
)


async def put(bus: Bus, count: int = 1, **changes: object) -> None:
    for number in range(count):
        await bus.publish(msgspec.structs.replace(LETTER, **{"sequence": number + 1, **changes}))


async def found(bus: Bus, **wanted: object) -> list[Letter]:
    return [letter async for letter in dead.letters(bus, msgspec.convert(wanted, Wanted))]


async def test_letters_come_oldest_first_without_their_bodies_and_leave_no_consumer(bus: Bus) -> None:
    """The size is that of the message; 300 letters of 100 kB are read as 300 headers."""
    await put(bus, 300)
    before = bus.client.stats["in_bytes"]

    letters = await found(bus)

    assert [letter.number for letter in letters] == list(range(1, 301))
    assert {(letter.size, letter.dead.body) for letter in letters} == {(100_000, b"")}
    assert bus.client.stats["in_bytes"] - before < 500_000
    assert (await bus.jetstream.stream_info(DEAD)).state.consumer_count == 0


async def test_a_reading_that_is_given_up_leaves_no_consumer_either(bus: Bus) -> None:
    """As `voicebus dead list | head` does."""
    await put(bus, 3)
    reading = dead.letters(bus, Wanted())
    await anext(reading)
    await reading.aclose()

    assert (await bus.jetstream.stream_info(DEAD)).state.consumer_count == 0


async def test_an_empty_stream_has_no_letters(bus: Bus) -> None:
    """Without waiting for any."""
    assert await found(bus) == []


async def test_each_filter_leaves_only_what_it_names(bus: Bus) -> None:
    """`refused` is every refusal; a time leaves what was given up since."""
    await put(bus)
    await put(bus, stage="tts", origin="web")
    await put(bus, code=codes.NOT_AN_EVENT, session="8", turn="t9", sequence=9)

    assert [letter.number for letter in await found(bus, stage="tts")] == [2]
    assert [letter.number for letter in await found(bus, origin="kiosk")] == [1, 3]
    assert [letter.number for letter in await found(bus, origin="kiosk", session="8")] == [3]
    assert [letter.number for letter in await found(bus, turn="t9")] == [3]
    assert [letter.number for letter in await found(bus, code="crashed")] == [1, 2]
    assert [letter.number for letter in await found(bus, code="refused")] == [3]
    assert [letter.number for letter in await found(bus, code="refused.not")] == []
    now = datetime.now(UTC)
    assert len(await found(bus, since=now - timedelta(minutes=1))) == 3
    assert await found(bus, since=now + timedelta(minutes=1)) == []


async def test_one_letter_is_read_with_the_original_message(bus: Bus) -> None:
    """Every field, every header, every byte."""
    await put(bus)

    letter = await dead.letter(bus, 1)

    assert letter.dead == LETTER
    assert letter.size == 100_000
    assert abs((datetime.now(UTC) - letter.at).total_seconds()) < 10


async def test_a_letter_that_is_removed_is_gone_and_removing_it_twice_does_no_harm(bus: Bus) -> None:
    """The others stay."""
    await put(bus, 2)
    await dead.remove(bus, 1)
    await dead.remove(bus, 1)

    assert [letter.number for letter in await found(bus)] == [2]
    with pytest.raises(NoLetter, match="no dead letter 1"):
        await dead.letter(bus, 1)


async def test_what_is_no_letter_is_listed_as_what_cannot_be_read(bus: Bus) -> None:
    """Anybody may have written it; an operator must see it to drop it."""
    await bus.jetstream.publish("voice.dead.kiosk.7", b"x", headers={"Voice-Event": "{nonsense"})
    await put(bus)

    odd, good = await found(bus)

    assert (odd.dead.code, odd.dead.origin, odd.size) == (codes.NOT_AN_EVENT, "kiosk", 1)
    assert "cannot be read" in odd.dead.reason
    assert good.dead.turn == "t0"
    assert (await dead.letter(bus, 1)).dead.body == b"x"


async def test_without_the_stream_the_answer_says_what_to_do(bus: Bus) -> None:
    """Not that the letter is missing."""
    await bus.jetstream.delete_stream(DEAD)

    with pytest.raises(Unavailable, match="voicebus setup"):
        await found(bus)
    with pytest.raises(Unavailable, match="voicebus setup"):
        await dead.letter(bus, 1)


async def test_a_letter_whose_headers_are_none_is_listed_shown_and_dropped(bus: Bus, bus_settings: BusSettings) -> None:
    """The broker writes its own headers into it, where nobody can read them."""
    async with wire.dialled(bus_settings.nats_url) as sender:
        await sender.send(wire.hpub(b"voice.dead.test.s", b"NATS/1.0", b"body"))
    (found,) = [letter async for letter in dead.letters(bus, Wanted())]
    assert (await dead.letter(bus, found.number)).dead.body == b"body"
    await dead.remove(bus, found.number)
    assert [letter async for letter in dead.letters(bus, Wanted())] == []
