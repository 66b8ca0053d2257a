"""A turn: a WAV goes in on one subject; a transcript, sentences and speech come out on others."""

import pytest

from bus_schemas import Event, Sentence, Speech, Transcript, Utterance
from services.runtime.bus import Bus
from tests.edge.asking import tone
from tests.harness import listening, wait_until

pytestmark = pytest.mark.usefixtures("stages")


def finished(events: list[Event]) -> bool:
    """Whether the last sentence has been spoken to its end."""
    return any(isinstance(event, Speech) and event.last and event.end for event in events)


async def test_an_utterance_becomes_a_transcript_then_sentences_then_speech(bus: Bus) -> None:
    async with listening(bus, "voice.*.kiosk.42") as events:
        await bus.publish(Utterance(origin="kiosk", session="42", turn="t1", wav=tone(1.0)))
        await wait_until(lambda: finished(events), "the turn is answered")

    order = [type(event) for event in events]
    assert order.index(Utterance) < order.index(Transcript) < order.index(Sentence) < order.index(Speech)
    assert {event.turn for event in events} == {"t1"}


async def test_a_wav_file_alone_is_a_complete_request(bus: Bus) -> None:
    async with listening(bus, "voice.speech.kiosk.42") as events:
        await bus.client.publish("voice.utterance.kiosk.42", tone(1.0))
        await wait_until(lambda: finished(events), "the turn is answered")

    last = next(event for event in events if isinstance(event, Speech) and event.last)
    assert last.transcription == "Hello there."
    assert last.reply == "I heard you. You said: Hello there."


async def test_silence_is_a_result_and_ends_the_turn_without_troubling_the_model(bus: Bus) -> None:
    silence = tone(1.0)[:44] + bytes(32_000)
    async with listening(bus, "voice.*.kiosk.42") as events:
        await bus.publish(Utterance(origin="kiosk", session="42", turn="t1", wav=silence))
        await wait_until(lambda: finished(events), "the turn is answered")

    assert [type(event) for event in events] == [Utterance, Speech]


async def test_the_last_speech_carries_the_turns_waterfall(bus: Bus) -> None:
    async with listening(bus, "voice.speech.kiosk.42") as events:
        await bus.publish(Utterance(origin="kiosk", session="42", turn="t1", wav=tone(1.0)))
        await wait_until(lambda: finished(events), "the turn is answered")

    assert [step.stage for step in events[-1].trail] == ["stt", "llm", "tts"]
