"""The overlap: the first sentence is spoken while the second is still being written, and order is the reader's."""

from bus_schemas import Event, Sentence, Speech, Transcript
from services.edge.answer import Answer, Assembly
from services.llm.__main__ import open_stage as open_llm
from services.llm.settings import LlmSettings, ScriptedSettings
from services.runtime.bus import Bus
from services.tts.__main__ import open_stage as open_tts
from services.tts.settings import TtsSettings
from tests.harness import listening, wait_until
from tests.runtime.workers import working

REPLY = ScriptedSettings(
    scripted_reply="This is the first sentence. And this is the second one, which is longer.",
    scripted_words_per_second=12,
)


async def spoken(bus: Bus) -> list[Event]:
    """Every event of one reply of two sentences."""
    async with (
        open_llm(LlmSettings(llm_engine="scripted", scripted=REPLY), bus) as llm,
        open_tts(TtsSettings(tts_engine="scripted"), bus) as tts,
        working(bus, llm),
        working(bus, tts),
        listening(bus, "voice.*.kiosk.42") as events,
    ):
        await bus.publish(Transcript(origin="kiosk", session="42", turn="t1", text="Hello?", seconds=1.0))
        await wait_until(lambda: {e.n for e in events if isinstance(e, Speech) and e.end} == {0, 1}, "both are spoken")
        return list(events)


async def test_the_first_sentence_is_spoken_while_the_second_is_being_written(bus: Bus) -> None:
    events = await spoken(bus)
    first_speech = next(i for i, event in enumerate(events) if isinstance(event, Speech) and event.n == 0)
    second_sentence = next(i for i, event in enumerate(events) if isinstance(event, Sentence) and event.n == 1)

    assert first_speech < second_sentence


async def test_speech_that_arrives_in_any_order_is_the_same_answer(bus: Bus) -> None:
    speech = [event for event in await spoken(bus) if isinstance(event, Speech)]
    forwards, backwards = Assembly(), Assembly()
    told = [answer for event in speech if isinstance(answer := forwards.add(event), Answer)]
    again = [answer for event in reversed(speech) if isinstance(answer := backwards.add(event), Answer)]

    assert told[0].wavs == again[0].wavs
    assert told[0].reply.startswith("This is the first sentence.")
