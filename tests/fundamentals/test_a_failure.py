"""A failure: it is an event like any other, with a code for programs and a sentence for people."""

import pytest

from bus_schemas import Cancel, Failed, Sentence, Transcript
from services.runtime.bus import Bus
from tests.harness import listening, wait_until

pytestmark = pytest.mark.usefixtures("stages")


async def test_what_is_no_wav_is_refused_with_its_code_and_what_to_do(bus: Bus) -> None:
    async with listening(bus, "voice.failed.kiosk.42") as events:
        await bus.client.publish("voice.utterance.kiosk.42", b"hello")
        await wait_until(lambda: bool(events), "the failure is told")

    failed = events[0]
    assert isinstance(failed, Failed)
    assert (failed.stage, failed.code) == ("stt", "refused.not_wav")
    assert "WAV" in failed.message


async def test_a_turn_whose_time_is_over_fails_without_being_worked_on(bus: Bus) -> None:
    async with listening(bus, "voice.*.kiosk.42") as events:
        over = round((bus.time() - 1.0) * 1000)
        late = Transcript(origin="kiosk", session="42", turn="t1", text="Too late?", seconds=1.0, deadline=over)
        await bus.publish(late)
        await wait_until(lambda: any(isinstance(event, Failed) for event in events), "the failure is told")

    assert [event.code for event in events if isinstance(event, Failed)] == ["deadline"]
    assert not any(isinstance(event, Sentence) for event in events)


async def test_a_cancel_is_heard_by_everyone_and_stored_by_nobody(bus: Bus) -> None:
    async with listening(bus, "voice.cancel.>") as events:
        await bus.tell(Cancel(origin="kiosk", session="42", turn="t1"))
        await wait_until(lambda: len(events) == 1, "the cancel is heard")

    stored = [info.state.messages for info in await bus.jetstream.streams_info()]
    assert sum(stored) == 0
