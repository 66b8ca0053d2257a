"""What really travels in a scripted voicebus, on both transports, is what docs/asyncapi.json says."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import nats
import pytest
from jsonschema import ValidationError  # type: ignore[import-untyped]
from nats.aio.msg import Msg
from websockets.asyncio.client import ClientConnection, connect

from tests.acceptance import pipeline
from tests.acceptance.pipeline import Pipeline
from tests.asyncapi import contract
from tests.harness import heard, wait_until
from tests.publishing.scripts import tone

WISHES = "turns=1&trace=1&session=42"
LONG = "One sentence is here. Another one is a little longer than that. And the last."
SETTINGS = {**pipeline.SCRIPTED, "SCRIPTED_REPLY": LONG, "SCRIPTED_TTS_WORDS_PER_SECOND": "10"}
UNREADABLE = "voice.transcript.kiosk-7.43"
"""Where something is published that is no event."""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """`voicebus up` without models."""
    with pipeline.running(tmp_path_factory.mktemp("up"), SETTINGS) as running:
        yield running


@asynccontextmanager
async def overheard(up: Pipeline) -> AsyncIterator[list[Msg]]:
    """Every message of the bus meanwhile."""
    messages: list[Msg] = []

    async def keep(message: Msg) -> None:
        messages.append(message)

    async with await nats.connect(up.nats_url) as client:
        await client.subscribe("voice.>", cb=keep)
        await heard(client)
        yield messages


async def told(client: ClientConnection, channel: str, last: str) -> list[str]:
    """The names of the frames that come, each held to the document, until *last*."""
    names: list[str] = []
    while names[-1:] != [last]:
        names.append(contract.check_frame(channel, await client.recv()))
    return names


async def test_a_turn_is_told_as_the_document_says(up: Pipeline) -> None:
    """Answered at once and while it is made, with every wish; a refusal too."""
    async with connect(f"{up.url}?{WISHES}") as client:
        await client.send(tone(1))
        assert await told(client, "conversation", "trail") == ["taken", "answer", "replySound", "trail"]
        await client.send(b"no WAV")
        assert await told(client, "conversation", "error") == ["error"]
    async with connect(f"{up.url}?{WISHES}&stream=1") as client:
        await client.send(tone(1))
        names = await told(client, "streaming", "done")
        assert names[:2] == ["taken", "transcription"]
        assert names[2:-1] == ["spoken", "pieceSound"] * (len(names[2:-1]) // 2) != []
        await client.send(tone(1))
        await told(client, "streaming", "pieceSound")
        await client.send('{"cancel": true}')
        assert (await told(client, "streaming", "done"))[-1] == "done"


async def test_every_event_travels_as_the_document_says(up: Pipeline) -> None:
    """Of a turn, of one that is interrupted, of one that is refused, and of a message that is none."""
    async with overheard(up) as messages, await nats.connect(up.nats_url) as client:
        async with connect(f"{up.url}?stream=1") as socket:
            await socket.send(tone(1))
            await told(socket, "streaming", "done")
            await socket.send(tone(1))
            await told(socket, "streaming", "pieceSound")
            await socket.send(json.dumps({"cancel": True, "sentences": 1}))
            await told(socket, "streaming", "done")
            await socket.send(tone(1))
            await told(socket, "streaming", "done")
        await client.publish("voice.utterance.kiosk-7.42", b"no WAV")
        await client.publish(UNREADABLE, b"no JSON")
        seen = set(contract.DOCUMENT["channels"]) - {"conversation", "streaming"}
        await wait_until(lambda: {each.subject.split(".")[1] for each in messages} == seen, "every event has come")
    valid = [message for message in messages if message.subject != UNREADABLE]
    assert {contract.check_event(message) for message in valid} == seen
    assert any('"heard"' in header for each in messages for header in (each.headers or {}).values())


def test_a_frame_that_is_not_as_told_is_found() -> None:
    """The judge can say no: to a wrong value, to a field that is not told, to a frame of the other channel."""
    with pytest.raises(ValidationError, match="does not match"):
        contract.check_text("streaming", '{"error": {"code": "Not a code", "message": "x"}}')
    with pytest.raises(AssertionError, match="extra"):
        contract.check_text("streaming", '{"turn": "1", "extra": 1}')
    with pytest.raises(AssertionError, match="not told in the channel"):
        contract.check_text("conversation", '{"restarted": true}')
