"""A bare WAV on the bus is a whole request: each form is answered, each error comes back as `failed`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus_schemas import Event, Failed, Speech, Transcript
from services.runtime.bus import Bus
from services.runtime.health import Readiness
from services.runtime.worker import Worker, WorkerSettings
from services.stt.__main__ import open_stage
from services.stt.settings import SttSettings
from tests.harness import listening, wait_until
from tests.stt.test_stage import SAID, SILENCE
from tests.stt.wavs import FORMS, WRONG


@asynccontextmanager
async def stt(bus: Bus) -> AsyncIterator[None]:
    """The service's own stage, at work on the scripted transcriber."""
    stopping = asyncio.Event()
    settings = SttSettings(stt_engine="scripted", scripted_transcript=SAID)
    async with open_stage(settings, bus) as stage, asyncio.TaskGroup() as group:
        group.create_task(Worker(bus, stage, WorkerSettings(), Readiness(), "test").run(stopping))
        yield
        stopping.set()


async def answers(bus: Bus, wavs: list[bytes]) -> dict[str, Event]:
    """The last event of each session, one session a WAV, numbered from 0."""
    found: dict[str, Event] = {}
    async with stt(bus), listening(bus, "voice.*.kiosk.*") as events:
        for i, wav in enumerate(wavs):
            await bus.jetstream.publish(f"voice.utterance.kiosk.{i}", wav)
        ends = (Transcript, Failed, Speech)
        await wait_until(lambda: sum(isinstance(e, ends) for e in events) >= len(wavs), "every WAV is answered")
        found = {event.session: event for event in events if isinstance(event, ends)}
    return found


async def test_every_form_of_wav_is_answered_with_a_transcript(bus: Bus) -> None:
    """`nats pub voice.utterance.kiosk.42 < hello.wav` is enough."""
    found = await answers(bus, list(FORMS.values()))
    texts = [event.text for event in found.values() if isinstance(event, Transcript)]
    assert texts == [SAID] * len(FORMS)
    assert all(event.turn for event in found.values())


async def test_every_wrong_wav_is_answered_with_its_code(bus: Bus) -> None:
    """The error arrives where the answer would have."""
    found = await answers(bus, list(WRONG.values()))
    assert [getattr(found[str(i)], "code", "") for i in range(len(WRONG))] == list(WRONG)


async def test_silence_is_answered_with_empty_speech_and_reaches_no_llm(bus: Bus) -> None:
    """The requester sees the turn end."""
    found = await answers(bus, [SILENCE])
    assert isinstance(found["0"], Speech)
    assert found["0"].last
    assert (await bus.jetstream.stream_info("VOICE_TRANSCRIPT")).state.messages == 0


async def test_an_unknown_language_is_answered_with_its_code(bus: Bus) -> None:
    """Also when it is named in the header of the message."""
    async with stt(bus), listening(bus, "voice.failed.>") as failed:
        headers = {"Voice-Event": '{"language": "xx"}'}
        await bus.jetstream.publish("voice.utterance.kiosk.1", FORMS["16-bit"], headers=headers)
        await wait_until(lambda: bool(failed), "the turn has failed")
    assert [event.code for event in failed if isinstance(event, Failed)] == ["refused.language"]
