"""Whatever another system publishes, the next question is answered by the same processes."""

from pathlib import Path

import pytest

from bus_schemas import Failed
from services.runtime.bus import Bus, BusSettings
from services.runtime.streams import MIB
from tests.harness import listening, wait_until
from tests.publishing import stages
from tests.publishing.conftest import Ask
from tests.publishing.scripts import SETTINGS

LONG = b'"attempt":"a","n":0,"text":"' + b"word " * 20_000 + b'"}'
HOSTILE: dict[str, tuple[str, bytes, dict[str, str]]] = {
    "a header with a wrong type": ("utterance", b"RIFF", {"Voice-Event": '{"timeout_ms":"soon"}'}),
    "a header as long as the broker takes": ("utterance", b"RIFF", {"Voice-Event": '"' * 65_000}),
    "a message as long as its stream takes": ("utterance", b"R" * int(7.499 * MIB), {"Voice-Event": "[]"}),
    "no JSON": ("transcript", b"\xff\xfe", {}),
    "nested deep": ("transcript", b'{"text":"a","seconds":1,"x":' + b"[" * 60_000 + b"]" * 60_000 + b"}", {}),
    "many digits": ("transcript", b'{"text":"a","seconds":1,"deadline":' + b"9" * 4_000 + b"}", {}),
    "a sentence too long to be spoken": ("sentence", b'{"turn":"1",' + LONG, {}),
    "and another": ("sentence", b'{"turn":"2",' + LONG, {}),
    "and another still": ("sentence", b'{"turn":"3",' + LONG, {}),
}


@pytest.mark.parametrize("language", ["python"], indirect=True)  # what is tried here is voicebus, not who asks it
async def test_hostile_messages_are_given_up_and_harm_nobody_else(
    bus: Bus, bus_settings: BusSettings, ask: Ask, question: Path
) -> None:
    """Each is told as `failed`; no process ends, no queue stands still."""

    def told() -> set[str]:
        return {list(HOSTILE)[int(event.session)] for event in events if isinstance(event, Failed)}

    async with listening(bus, "voice.*.hostile.*") as events, stages.running(bus_settings.nats_url, SETTINGS):
        for i, (event, payload, headers) in enumerate(HOSTILE.values()):
            await bus.jetstream.publish(f"voice.{event}.hostile.{i}", payload, headers=headers)
        ended = await ask(bus_settings.nats_url, question)
        await wait_until(lambda: told() == set(HOSTILE), "each was told of its failure")
    assert (ended.code, ended.errors) == (0, "")
