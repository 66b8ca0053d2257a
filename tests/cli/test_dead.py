"""`voicebus dead` as an operator uses it, after workers that crashed and with workers that do not."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from bus_schemas import Cancel, Dead, Event, Failed, Sentence, Speech, Transcript, Utterance, names
from services.runtime import dead
from services.runtime.bus import Bus, BusSettings
from services.runtime.dead import Wanted
from services.runtime.stage import Handle, Stage
from services.runtime.streams import DEAD, SENTENCE, TRANSCRIPT, UTTERANCE
from tests.cli import commands
from tests.edge.asking import length, tone
from tests.fundamentals.conftest import stages as stages  # a fixture
from tests.harness import listening, wait_until
from tests.runtime.workers import fine, working

STREAMS = {"stt": UTTERANCE, "llm": TRANSCRIPT, "tts": SENTENCE}


class Operator:
    """Runs `voicebus dead` in a folder."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self._url = url

    async def __call__(self, *words: str, code: int = 0) -> str:
        done = await self.tries(*words)
        assert done.returncode == code, done.stderr
        return done.stdout

    async def tries(self, *words: str) -> CompletedProcess[str]:
        return await asyncio.to_thread(commands.run, self.folder, "dead", *words, NATS_URL=self._url)

    async def read(self, name: object) -> bytes:
        return await asyncio.to_thread((self.folder / str(name)).read_bytes)

    async def lines(self, *words: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in (await self(*words, "--json")).splitlines()]


@pytest.fixture
def operator(tmp_path: Path, bus_settings: BusSettings) -> Operator:
    return Operator(tmp_path, bus_settings.nats_url)


async def crash(event: Event) -> AsyncGenerator[Event, None]:
    raise ValueError("the engine broke")
    yield


async def answer(utterance: Utterance) -> AsyncGenerator[Event, None]:
    attempt = names.fresh()
    for n in (1, 0):
        yield Speech(
            attempt=attempt,
            n=n,
            take="t",
            end=True,
            last=n == 1,
            transcription="hello",
            reply="One. Two." if n else "",
            wav=tone(0.5),
        )


@asynccontextmanager
async def worker(bus: Bus, name: str, handle: Handle) -> AsyncIterator[None]:
    """A worker of a stage that works as *handle* says."""
    async with working(bus, Stage(name=name, stream=STREAMS[name], handle=handle, credit=4, probe=fine)):
        yield


async def given_up(bus: Bus, name: str, event: Event) -> None:
    """Have a worker that crashes give the event up."""
    async with listening(bus, "voice.dead.>") as letters, worker(bus, name, crash):
        if isinstance(event, Utterance) and not event.turn:
            await bus.jetstream.publish(f"voice.utterance.{event.origin}.{event.session}", event.wav)
        else:
            await bus.publish(event)
        await wait_until(lambda: bool(letters), "it is a dead letter")


def question(turn: str = "t1", session: str = "7") -> Utterance:
    return Utterance(origin="kiosk", session=session, turn=turn, wav=tone(1))


async def left(bus: Bus) -> list[tuple[int, int]]:
    """Number and run of every letter that is there."""
    return [(letter.number, letter.dead.run) async for letter in dead.letters(bus, Wanted())]


async def test_a_letter_is_listed_shown_and_its_recording_written(bus: Bus, operator: Operator) -> None:
    await given_up(bus, "stt", question())

    (listed,) = await operator.lines("list")
    assert (listed["number"], listed["stage"], listed["code"], listed["turn"]) == (1, "stt", "crashed", "t1")
    assert listed["bytes"] == len(tone(1))
    assert "ValueError: the engine broke" in await operator("list")
    shown = await operator("show", "1", "--out", "question.wav")
    assert "voice.utterance.kiosk.7" in shown
    assert 'Voice-Event: {"turn":"t1"}' in shown
    assert await operator.read("question.wav") == tone(1)
    assert await operator.lines("show", "1") == [listed]


async def test_filters_choose_what_is_listed_and_dropped(bus: Bus, operator: Operator) -> None:
    await given_up(bus, "stt", question())
    await given_up(bus, "llm", Transcript(origin="web", session="8", turn="t2", text="hi", seconds=1.0))

    assert [line["turn"] for line in await operator.lines("list", "--stage", "llm")] == ["t2"]
    assert [line["turn"] for line in await operator.lines("list", "--origin", "kiosk", "--since", "10m")] == ["t1"]
    assert await operator.lines("list", "--code", "refused") == []
    assert await operator.lines("drop", "--turn", "t2", "--yes") == [{"number": 2, "dropped": True}]
    assert await left(bus) == [(1, 0)]


async def test_dropping_needs_a_yes_where_nobody_can_be_asked_and_letters_that_are_named(
    bus: Bus, operator: Operator
) -> None:
    await given_up(bus, "stt", question())

    unsure = await operator.tries("drop", "1")
    assert (unsure.returncode, "--yes" in unsure.stderr) == (2, True)
    await operator("drop", "--yes", code=2)
    await operator("drop", "1", "--all", "--yes", code=2)
    assert "no dead letter 99" in (await operator.tries("drop", "1", "99", "--yes")).stderr
    assert await left(bus) == [(1, 0)]
    await operator("drop", "--all", "--yes")
    assert await left(bus) == []


async def test_a_turn_that_crashed_is_requeued_at_once_and_its_answer_printed(bus: Bus, operator: Operator) -> None:
    """The edge's cancel after the failure, and every duplicate window, notwithstanding."""
    await given_up(bus, "stt", question())
    async with worker(bus, "stt", answer), listening(bus, "voice.*.kiosk.7") as events:
        await bus.tell(Cancel(origin="kiosk", session="7", turn="t1"))
        (done,) = await operator.lines("requeue", "1", "--wait")

    assert (done["turn"], done["run"]) == ("t1", 1)
    assert (done["transcription"], done["llama"]) == ("hello", "One. Two.")
    assert length(await operator.read(done["audio"])) == (16_000, 1.0)
    assert {(event.turn, event.run) for event in events if isinstance(event, Speech)} == {("t1", 1)}
    assert await left(bus) == []
    assert (await bus.jetstream.stream_info(DEAD)).state.consumer_count == 0


async def test_a_bare_wav_runs_under_the_turn_that_its_asker_knows(bus: Bus, operator: Operator) -> None:
    async with listening(bus, "voice.*.kiosk.7") as events:
        await given_up(bus, "stt", Utterance(origin="kiosk", session="7", wav=tone(1)))
        async with worker(bus, "stt", answer):
            (done,) = await operator.lines("requeue", "--origin", "kiosk", "--wait")

    failed = next(event for event in events if isinstance(event, Failed))
    assert failed.turn == done["turn"]
    assert {event.turn for event in events if isinstance(event, Speech)} == {failed.turn}


async def test_a_turn_that_fails_again_exits_with_1_and_is_a_new_letter(bus: Bus, operator: Operator) -> None:
    await given_up(bus, "stt", question())
    async with worker(bus, "stt", crash):
        done = await operator.tries("requeue", "1", "--wait")

    assert done.returncode == 1
    assert "stt says crashed" in done.stderr
    assert await left(bus) == [(2, 1)]


async def test_nobody_to_answer_is_told_after_the_timeout(bus: Bus, operator: Operator) -> None:
    await given_up(bus, "stt", question())

    done = await operator.tries("requeue", "1", "--wait", "--timeout", "0.2")
    assert done.returncode == 1
    assert "are workers up?" in done.stderr


@pytest.mark.usefixtures("stages")
async def test_the_real_stages_ask_the_model_again_and_remember_the_new_run(bus: Bus, operator: Operator) -> None:
    """The transcript of a turn past its deadline, and a turn that llm had answered before."""
    letter = Dead(
        origin="kiosk",
        session="7",
        turn="t1",
        stage="llm",
        code="crashed",
        reason="it died",
        subject="voice.transcript.kiosk.7",
        sequence=1,
        deliveries=2,
        body=b'{"turn":"t1","text":"hello","seconds":1.0,"deadline":1}',
    )
    async with listening(bus, "voice.sentence.kiosk.7") as said:
        await bus.publish(Transcript(origin="kiosk", session="7", turn="t1", text="hello", seconds=1.0))
        await wait_until(lambda: any(isinstance(e, Sentence) and e.last for e in said), "run 0 is answered")
        await bus.publish(letter)
        (done,) = await operator.lines("requeue", "1", "--wait")

    assert done["llama"] == "I heard you. You said: hello"
    attempts = {event.run: event.attempt for event in said}
    assert sorted(attempts) == [0, 1]
    assert attempts[0] != attempts[1]


async def test_a_requeued_sentence_is_answered_by_its_own_speech(bus: Bus, operator: Operator) -> None:
    """The other sentences of that answer are not waited for: they were spoken then, or cancelled."""
    asked = Sentence(origin="kiosk", session="7", turn="t1", attempt="a", n=2, text="The third.", deadline=2**42)
    await given_up(bus, "tts", asked)

    async def speak(sentence: Sentence) -> AsyncGenerator[Event, None]:
        yield Speech(n=sentence.n, take="t", end=True, text=sentence.text, wav=tone(0.5))

    async with worker(bus, "tts", speak):
        (done,) = await operator.lines("requeue", "1", "--wait", "--out", "third.wav")
    assert (done["llama"], done["audio"], done["run"]) == ("The third.", "third.wav", 1)


async def test_what_is_no_event_goes_back_only_as_it_is(bus: Bus, operator: Operator) -> None:
    async with listening(bus, "voice.dead.>") as letters, worker(bus, "llm", crash):
        await bus.jetstream.publish("voice.transcript.kiosk.7", b'{"turn":"t1"}', headers={"Nats-Msg-Id": "x"})
        await wait_until(lambda: bool(letters), "it is a dead letter")

    refused = await operator.tries("requeue", "1")
    assert refused.returncode == 1
    assert "--as-it-is" in refused.stderr
    assert await left(bus) == [(1, 0)]
    await operator("requeue", "1", "--as-it-is")
    found = await bus.jetstream.get_last_msg(TRANSCRIPT, "voice.transcript.kiosk.7")
    assert found.data == b'{"turn":"t1"}'
    assert await left(bus) == []


async def test_several_letters_are_requeued_and_one_that_cannot_be_does_not_stop_the_rest(
    bus: Bus, operator: Operator
) -> None:
    """With --keep the letters stay."""
    await given_up(bus, "stt", question("t1"))
    await bus.jetstream.publish("voice.dead.kiosk.7", b"x", headers={"Voice-Event": "{nonsense"})
    await given_up(bus, "stt", question("t2"))

    done = await operator.tries("requeue", "--all", "--keep", "--json")
    assert done.returncode == 1
    assert "letter 2 was published on" in done.stderr
    assert [json.loads(line)["turn"] for line in done.stdout.splitlines()] == ["t1", "t2"]
    assert (await bus.jetstream.stream_info(UTTERANCE)).state.messages == 2
    assert [number for number, _ in await left(bus)] == [1, 2, 3]


async def test_what_a_stranger_wrote_cannot_move_the_terminals_cursor(bus: Bus, operator: Operator) -> None:
    await bus.jetstream.publish(
        "voice.dead.kiosk.7",
        b"x",
        headers={"Voice-Event": r'{"stage":"stt","code":"c","reason":"a\u001b[2Jb\u0007 [red]","subject":"s"}'},
    )
    await given_up(bus, "stt", question())
    for words in (("list",), ("show", "1")):
        shown = await operator(*words)
        assert not set(shown) & {"\x1b", "\x07"}


async def test_without_the_stream_or_the_broker_the_sentence_says_what_to_do(bus: Bus, operator: Operator) -> None:
    await bus.jetstream.delete_stream(DEAD)

    done = await operator.tries("list")
    assert (done.returncode, "voicebus setup" in done.stderr) == (1, True)
