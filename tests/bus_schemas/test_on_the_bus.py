"""Text arrives as it was sent, on every way that a message can be read from a real broker."""

import pytest
from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg

from bus_schemas import Event, Sentence, Speech, codec
from bus_schemas.codec import MAX_HEADER_BYTES
from services.runtime.bus import Bus
from services.runtime.streams import ANSWER, SENTENCE
from tests.bus_schemas.samples import WAV
from tests.harness import listening, wait_until

TEXTS = {
    "accents": "Olá, você não está só — “ação”",
    "emoji": "ok 👍 👩‍👩‍👧 🇧🇷",
    "control characters": "a\0b\u2028c\x85d\r\ne\x7f ",
    "10,000 letters": "ação e reação " * 715,
    "10,000 accents": "á" * 10_000,
    "10,000 of another alphabet": "你" * 10_000,
    "5,000 emoji": "👋" * 5_000,
}
each_text = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())


def spoken(text: str) -> Speech:
    """An event with the text in its header."""
    return Speech(
        origin="o", session="s", turn="t", attempt="a", n=0, take="k", last=True, text="Olá", reply=text, wav=WAV
    )


def written(text: str) -> Sentence:
    """An event with the text in its body."""
    return Sentence(origin="o", session="s", turn="t", attempt="a", n=0, text="Olá", last=True, reply=text)


def read(message: Msg | RawStreamMsg) -> Event:
    """The event in whatever the client gave."""
    return codec.decode(message.subject or "", message.data or b"", message.headers)


async def every_way(bus: Bus, event: Event, stream: str) -> dict[str, Event]:
    """Publish an event, and read it by each way that nats-py has."""
    async with listening(bus) as heard:
        await bus.publish(event)
        await wait_until(lambda: len(heard) == 1, "the subscription has it")
    last = (await bus.jetstream.stream_info(stream)).state.last_seq
    subject = codec.encode(event).subject
    return {
        "core": heard[0],
        "direct get": read(await bus.jetstream.get_msg(stream, last, direct=True)),
        "direct get by subject": read(await bus.jetstream.get_last_msg(stream, subject, direct=True)),
        "stream get": read(await bus.jetstream.get_msg(stream, last, direct=False)),
        "pull": read(await pulled(bus, stream)),
    }


async def pulled(bus: Bus, stream: str) -> Msg:
    """The next message of a stream, by a consumer."""
    if stream == SENTENCE:
        subscription = await bus.jetstream.pull_subscribe_bind("tts", stream)
    else:
        subscription = await bus.jetstream.pull_subscribe("voice.speech.>", stream=stream)
    (message,) = await subscription.fetch(1, timeout=5)
    await message.ack_sync()
    await subscription.unsubscribe()
    return message


@each_text
async def test_text_in_a_header_arrives_on_every_way(bus: Bus, text: str) -> None:
    """The reply travels in a header, beside the WAV."""
    event = spoken(text)
    found = await every_way(bus, event, ANSWER)
    assert {way: got == event for way, got in found.items()} == dict.fromkeys(found, True)


@each_text
async def test_text_in_a_body_arrives_on_every_way(bus: Bus, text: str) -> None:
    """The reply travels in a body, from llm to tts."""
    event = written(text)
    found = await every_way(bus, event, SENTENCE)
    assert {way: got == event for way, got in found.items()} == dict.fromkeys(found, True)


async def test_a_reply_of_10_000_emoji_arrives_in_a_body_on_every_way(bus: Bus) -> None:
    """Escaped in a header it would be 120,000 bytes, more than the broker takes."""
    event = written("👋" * 10_000)
    found = await every_way(bus, event, SENTENCE)
    assert {way: got == event for way, got in found.items()} == dict.fromkeys(found, True)


async def test_speech_whose_reply_has_no_room_arrives_without_it(bus: Bus) -> None:
    """The WAV and the sentence's own text do; the reply is in the sentences."""
    found = await every_way(bus, spoken("👋" * 10_000), ANSWER)
    assert {way: got == spoken("") for way, got in found.items()} == dict.fromkeys(found, True)


async def test_the_longest_header_that_is_written_arrives_on_every_way(bus: Bus) -> None:
    """Every client on the way takes it; the limit is not only ours."""
    room = MAX_HEADER_BYTES - len(codec.encode(spoken("")).headers[codec.HEADER]) - len(',"reply":""')
    event = spoken("x" * room)
    assert len(codec.encode(event).headers[codec.HEADER]) == MAX_HEADER_BYTES
    found = await every_way(bus, event, ANSWER)
    assert {way: got == event for way, got in found.items()} == dict.fromkeys(found, True)
