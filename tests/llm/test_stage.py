"""The llm stage: what it asks, what it says, and what a repeat of the same turn makes of it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from functools import partial

import pytest
from msgspec.structs import replace

from bus_schemas import Failed, Heard, Sentence, Transcript
from services.llm import memory as memories
from services.llm import stage
from services.llm.engines import Message
from services.llm.engines.scripted import Scripted
from services.llm.memory import Memory
from services.llm.sentences.thoughts import Habits
from services.llm.settings import LlmSettings, ScriptedSettings
from services.runtime import streams
from services.runtime.bus import Bus
from services.runtime.errors import Unavailable
from tests.harness import listening
from tests.runtime import workers
from tests.runtime.workers import settled, working

SETTINGS = LlmSettings(llm_system_prompt="Be brief.")


class Recorded:
    """A scripted model that keeps what it was asked, and whether it was stopped before its end."""

    def __init__(self, reply: str = "Number {attempt}. You asked: {transcript} Goodbye.", pace: float = 0) -> None:
        self._scripted = Scripted(ScriptedSettings(scripted_reply=reply, scripted_words_per_second=pace))
        self.asked: list[Sequence[Message]] = []
        self.stopped = 0

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        self.asked.append(messages)
        finished = False
        try:
            async for text in self._scripted.reply(messages):
                yield text
            finished = True
        finally:
            self.stopped += not finished

    async def probe(self) -> None:
        await self._scripted.probe()

    async def close(self) -> None:
        await self._scripted.close()


@pytest.fixture
async def memory(bus: Bus) -> Memory:
    return Memory(await bus.jetstream.key_value(streams.MEMORY), turns=8, seconds=60)


def question(turn: str, text: str = "Why?", *, run: int = 0, heard: Heard | None = None) -> Transcript:
    return Transcript(origin="web", session="s", turn=turn, run=run, text=text, seconds=1.0, heard=heard)


async def answer(
    transcript: Transcript, model: Recorded, memory: Memory, settings: LlmSettings = SETTINGS
) -> list[Sentence]:
    return [said async for said in stage.handle(transcript, model=model, memory=memory, settings=settings)]


async def test_a_reply_is_numbered_sentences_of_one_attempt(memory: Memory) -> None:
    said = await answer(question("1"), Recorded("One. Two. *Three*."), memory)
    assert [(s.n, s.text, s.last, s.reply, s.transcription) for s in said] == [
        (0, "One.", False, "", "Why?"),
        (1, "Two.", False, "", "Why?"),
        (2, "Three.", True, "One. Two. *Three*.", "Why?"),
    ]
    assert len({s.attempt for s in said}) == 1
    assert said[0].attempt


async def test_a_sentence_leaves_while_the_next_is_written(memory: Memory) -> None:
    model = Recorded("One two. Three four.", pace=1000)
    handling = stage.handle(question("1"), model=model, memory=memory, settings=SETTINGS)
    assert (await anext(handling)).text == "One two."
    assert (await memory.read("web", "s")).entries == ()
    await handling.aclose()
    assert model.stopped == 1


async def test_the_entry_is_stored_before_the_last_sentence_leaves(memory: Memory) -> None:
    async for said in stage.handle(question("1"), model=Recorded("One. Two."), memory=memory, settings=SETTINGS):
        entries = (await memory.read("web", "s")).entries
        assert [entry.attempt for entry in entries] == ([said.attempt] if said.last else [])


async def test_a_second_question_sees_the_first(memory: Memory) -> None:
    model = Recorded("It rains.")
    await answer(question("1", "How is Lisbon?"), model, memory)
    await answer(question("2", "And Porto?"), model, memory)
    assert model.asked[1] == [
        Message("system", "Be brief."),
        Message("user", "How is Lisbon?"),
        Message("assistant", "It rains."),
        Message("user", "And Porto?"),
    ]


async def test_a_repeat_after_the_commit_says_the_stored_last_sentence_again(memory: Memory) -> None:
    model = Recorded()
    first = await answer(question("1"), model, memory)
    assert await answer(question("1"), model, memory) == [first[-1]]
    assert len(model.asked) == 1


async def test_a_repeat_before_the_commit_is_another_attempt(memory: Memory) -> None:
    model = Recorded("One. Two.")
    handling = stage.handle(question("1"), model=model, memory=memory, settings=SETTINGS)
    lost = await anext(handling)
    await handling.aclose()
    said = await answer(question("1"), model, memory)
    assert [s.n for s in said] == [0, 1]
    assert said[0].attempt != lost.attempt


async def test_of_two_runs_at_once_one_commits_and_the_other_obeys(memory: Memory) -> None:
    model = Recorded("One {attempt}. Two {attempt}. End {attempt}.", pace=200)
    both = await asyncio.gather(*(answer(question("1"), model, memory) for _ in range(2)))
    assert len(model.asked) == 2
    (entry,) = (await memory.read("web", "s")).entries
    assert both[0][-1] == both[1][-1]
    assert (both[0][-1].attempt, both[0][-1].text, both[0][-1].reply) == (entry.attempt, entry.text, entry.reply)
    assert sorted(said[0].attempt == entry.attempt for said in both) == [False, True]


async def test_two_turns_at_once_are_both_remembered(memory: Memory) -> None:
    model = Recorded("You said {transcript}", pace=200)
    both = await asyncio.gather(*(answer(question(turn, f"word {turn}."), model, memory) for turn in "12"))
    assert [said[-1].reply for said in both] == ["You said word 1.", "You said word 2."]
    assert sorted(entry.turn for entry in (await memory.read("web", "s")).entries) == ["1", "2"]


async def test_a_requeued_turn_is_asked_again_and_does_not_see_itself(memory: Memory) -> None:
    model = Recorded()
    await answer(question("1"), model, memory)
    await answer(question("1", run=1), model, memory)
    assert [len(messages) for messages in model.asked] == [2, 2]
    assert [entry.run for entry in (await memory.read("web", "s")).entries] == [1]


async def test_an_interrupted_answer_is_remembered_as_far_as_it_was_heard(memory: Memory) -> None:
    model = Recorded("One. Two. Three.")
    await answer(question("1"), model, memory)
    await answer(question("2", "Stop.", heard=Heard(turn="1", sentences=1)), model, memory)
    await answer(question("3"), model, memory)
    assert model.asked[1][2] == Message("assistant", "One. …")
    assert model.asked[2][2] == Message("assistant", "One. …")
    assert (await answer(question("1"), model, memory))[0].reply == "One. Two. Three."


@pytest.mark.parametrize("reply", ["", " \n", "<think>Hm.</think>"])
async def test_an_empty_reply_is_one_empty_last_sentence(memory: Memory, reply: str) -> None:
    (said,) = await answer(question("1"), Recorded(reply), memory)
    assert (said.n, said.text, said.last, said.reply) == (0, "", True, "")
    assert len((await memory.read("web", "s")).entries) == 1


async def test_a_thought_that_was_said_is_left_behind_and_the_next_is_not_said(memory: Memory) -> None:
    """The template of such a model opens `<think>`: its first reply shows it, by a `</think>` out of nothing."""
    thinking, habits = Recorded("I must not. Say this.</think>It rains. Hard."), Habits()

    async def said(turn: str, model: Recorded) -> list[Sentence]:
        handling = stage.handle(question(turn), model=model, memory=memory, settings=SETTINGS, habits=habits)
        return [sentence async for sentence in handling]

    first, second = await said("1", thinking), await said("2", thinking)
    assert [(s.n, s.text) for s in first if s.attempt == first[-1].attempt] == [(0, "It rains."), (1, "Hard.")]
    assert [s.text for s in second] == ["It rains.", "Hard."]
    assert first[-1].reply == second[-1].reply == "It rains. Hard."
    assert thinking.asked[1][2] == Message("assistant", "It rains. Hard.")
    assert [s.text for s in await said("3", Recorded("One. Two."))] == ["One.", "Two."]


async def test_what_one_session_has_the_model_write_holds_back_no_sentence_of_another(memory: Memory) -> None:
    """Somebody who gets it to write `</think>` made every other person wait for the end of a whole reply."""
    habits = Habits()
    odd = Recorded("I must not.</think>It rains.")
    async for _ in stage.handle(question("1"), model=odd, memory=memory, settings=SETTINGS, habits=habits):
        pass
    other = replace(question("1"), session="other")
    handling = stage.handle(
        other, model=Recorded("One two. Three four.", pace=100), memory=memory, settings=SETTINGS, habits=habits
    )
    assert (await anext(handling)).text == "One two."
    assert (await memory.read("web", "other")).entries == ()
    await handling.aclose()


async def test_a_turn_that_was_interrupted_before_its_words_were_known_is_not_answered_late(memory: Memory) -> None:
    """llm was killed while it held it; the next turn said that it was interrupted, and was answered first."""
    model = Recorded("It rains.")
    said = await answer(question("new", "And Porto?", heard=Heard(turn="old", sentences=0)), model, memory)
    late = await answer(question("old", "How is Lisbon?"), model, memory)
    await answer(question("third", "And Faro?"), model, memory)

    assert said[-1].last
    assert late == []
    assert [message.content for message in model.asked[-1]] == ["Be brief.", "And Porto?", "It rains.", "And Faro?"]
    assert len(model.asked) == 2


async def test_a_turn_that_is_interrupted_while_it_is_written_has_no_end(memory: Memory) -> None:
    """Its cancel was lost; the next turn is answered before it is done."""
    slow = stage.handle(question("old"), model=Recorded("One. Two."), memory=memory, settings=SETTINGS)
    assert not (await anext(slow)).last
    await answer(question("new", heard=Heard(turn="old", sentences=0)), Recorded("Yes."), memory)

    assert [said async for said in slow] == []
    assert [entry.turn for entry in (await memory.read("web", "s")).entries] == ["old", "new"]


async def test_what_was_made_of_an_interruption_is_never_an_answer(memory: Memory) -> None:
    """The words were known: the model is shown them, and a late run of that turn still ends without a sentence."""
    model = Recorded("It rains.")
    heard = Heard(turn="old", sentences=1, transcription="How is Lisbon?", text="It was dry.")
    await answer(question("new", "And Porto?", heard=heard), model, memory)

    assert await answer(question("old", "How is Lisbon?"), model, memory) == []
    assert "It was dry. …" in [message.content for message in model.asked[0]]


async def test_an_operator_has_an_interrupted_turn_answered_by_requeueing_it(memory: Memory) -> None:
    await answer(question("new", heard=Heard(turn="old", sentences=0)), Recorded(), memory)
    assert (await answer(question("old", run=1), Recorded("It rains."), memory))[-1].last


async def test_a_late_run_of_an_interrupted_turn_ends_without_a_word_on_the_bus(memory: Memory, bus: Bus) -> None:
    """The broker gives it out again after its successor was answered; nobody is told anything, nothing is left."""
    handle = partial(stage.handle, model=Recorded("It rains."), memory=memory, settings=SETTINGS)
    await bus.publish(question("old"))
    pulling = await bus.jetstream.pull_subscribe_bind(durable="llm", stream=streams.TRANSCRIPT)
    await (await pulling.fetch(1, timeout=5))[0].nak(delay=2)  # as from a worker that was killed with it
    await pulling.unsubscribe()
    async with listening(bus, "voice.*.web.s") as events:
        await bus.publish(question("new", heard=Heard(turn="old", sentences=0)))
        async with working(bus, workers.stage(handle)):
            await settled(bus)

    assert {event.turn for event in events if isinstance(event, Sentence)} == {"new"}
    assert not [event for event in events if isinstance(event, Failed)]


async def test_an_empty_transcript_does_not_trouble_the_model(memory: Memory) -> None:
    model = Recorded()
    (said,) = await answer(question("1", "  "), model, memory)
    assert (said.n, said.text, said.last) == (0, "", True)
    assert model.asked == []


async def test_a_reply_without_an_end_is_cut_and_the_model_stopped(memory: Memory) -> None:
    model = Recorded("Again and again. " * 100)
    said = await answer(question("1"), model, memory, LlmSettings(llm_max_sentences=3))
    assert [s.last for s in said] == [False, False, True]
    assert said[-1].reply == "Again and again. Again and again. Again and again."
    assert model.stopped == 1


async def test_a_memory_that_is_away_at_the_start_is_unavailable_before_any_output(memory: Memory, bus: Bus) -> None:
    await bus.jetstream.delete_key_value(streams.MEMORY)
    model = Recorded()
    with pytest.raises(Unavailable):
        await answer(question("1"), model, memory)
    assert model.asked == []


async def test_a_memory_that_goes_away_is_waited_for_and_the_model_not_asked_again(memory: Memory, bus: Bus) -> None:
    model = Recorded("One. Two.")
    stream = f"KV_{streams.MEMORY}"
    config = (await bus.jetstream.stream_info(stream)).config
    handling = stage.handle(question("1"), model=model, memory=memory, settings=SETTINGS)
    assert (await anext(handling)).text == "One."
    await bus.jetstream.delete_stream(stream)
    last = asyncio.ensure_future(anext(handling))
    await asyncio.sleep(0.3)
    assert not last.done()
    await bus.jetstream.add_stream(config)
    assert (await asyncio.wait_for(last, 10)).last
    assert len(model.asked) == 1
    await handling.aclose()


async def test_a_full_memory_costs_the_remembering_and_not_the_reply(memory: Memory, bus: Bus) -> None:
    stream = f"KV_{streams.MEMORY}"
    config = (await bus.jetstream.stream_info(stream)).config
    config.max_bytes = 1
    await bus.jetstream.update_stream(config)
    said = await answer(question("1"), Recorded("One. Two."), memory)

    assert (said[-1].last, said[-1].reply) == (True, "One. Two.")
    assert (await memory.read("web", "s")).entries == ()


def test_a_conversation_that_does_not_fit_loses_its_oldest_turns() -> None:
    entries = tuple(
        memories.Entry(turn, 0, "a", "q" * 100, "r" * 100, n=0, text="", at=memories.now()) for turn in "123456"
    )
    settings = LlmSettings(llm_system_prompt="s" * 50, llm_context=768, llm_max_tokens=256)
    messages = stage.conversation(question("7", "q" * 50), entries, settings)
    assert [message.role for message in messages] == ["system", *["user", "assistant"] * 2, "user"]
