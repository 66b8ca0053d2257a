"""`voicebus replay`: what was said runs again through other engines, and the bus does not notice."""

from typing import get_args, get_type_hints

import pytest

from bus_schemas import Event
from services.cli import arguments, word_errors
from services.llm.settings import LlmSettings
from services.runtime.bus import Bus
from services.stt.settings import SttSettings
from services.tts.settings import TtsSettings
from tests.cli import commands
from tests.edge.asking import length
from tests.harness import listening
from tests.record.conftest import Operator, asked, question

OTHERS = {
    "SCRIPTED_TRANSCRIPT": "Hello you here, sir.",
    "SCRIPTED_REPLY": "Before: {previous} Now: {transcript} Good bye.",
    "SCRIPTED_WORDS_PER_SECOND": 0,
    "SCRIPTED_TTS_MS": 40,
}


async def stored(bus: Bus) -> dict[str, tuple[int, int]]:
    """How far each stream is, and how much it has."""
    return {
        str(one.config.name): (one.state.last_seq, one.state.messages) for one in await bus.jetstream.streams_info()
    }


@pytest.mark.usefixtures("stages")
async def test_a_turn_runs_again_through_other_engines_and_remembers_what_was_said_before_it(
    bus: Bus, operator: Operator
) -> None:
    await asked(bus, question("t1"))
    await asked(bus, question("t2"))
    before = await stored(bus)

    everything = ("--stt", "scripted", "--llm", "scripted", "--tts", "scripted")
    async with listening(bus, ">") as events:
        heard: list[Event] = events
        (line,) = await operator.lines("replay", "t2", *everything, "--out", "again", code=0, **OTHERS)

    was, now = line["recorded"], line["replayed"]
    assert isinstance(was, dict)
    assert isinstance(now, dict)
    assert (was["transcription"], was["reply"]) == ("Hello there.", "I heard you. You said: Hello there.")
    assert now["transcription"] == "Hello you here, sir."
    assert now["reply"] == "Before: Hello there. Now: Hello you here, sir. Good bye."
    assert (line["word_error_rate"], line["error"]) == (1.5, "")
    assert 0.04 <= now["tts_first"] < now["tts"] < 10
    assert now["first_audio"] == pytest.approx(now["stt"] + now["llm_first"] + now["tts_first"])
    assert length(await operator.read(line["audio"]))[1] == pytest.approx(now["speech"])
    assert line["engines"] == {stage: {"engine": "scripted"} for stage in ("stt", "llm", "tts")}
    assert await stored(bus) == before
    assert [event for event in heard if event.turn] == []


@pytest.mark.usefixtures("stages")
async def test_what_is_not_to_run_again_is_as_it_was_and_a_failure_stops_no_other_turn(
    bus: Bus, operator: Operator
) -> None:
    await asked(bus, question("t1"))
    await asked(bus, question("t2", wav=b"no sound"))

    (line,) = await operator.lines(
        "replay", "last", "--origin", "kiosk", "--session", "s1", "--stt", "scripted", code=1
    )
    assert "not" in str(line["error"])
    (line,) = await operator.lines("replay", "t1", "--tts", "scripted", code=0, **OTHERS)
    was, now = line["recorded"], line["replayed"]
    assert isinstance(was, dict)
    assert isinstance(now, dict)
    changed = {name for name in was if was[name] != now[name]}
    assert (changed, line["word_error_rate"]) == ({"tts_first", "tts", "first_audio"}, None)

    drawn = await operator("replay", "--all", "--stt", "scripted", code=1, **OTHERS)
    assert [
        part for part in ("Hello there.", "Hello you here, sir.", "150.0 %", "as it was") if part not in drawn
    ] == []
    assert "2 turns, 1 failed; word error rate 150.0 %" in drawn


@pytest.mark.usefixtures("stages")
async def test_what_cannot_run_is_said_in_a_sentence(bus: Bus, operator: Operator) -> None:
    await asked(bus, question("t1"))

    for words, code, sentence in (
        (("t1",), 2, "--stt, --llm, --tts"),
        (("--stt", "scripted"), 2, "--session, --origin, --since or --all"),
        (("t1", "--stt", "no-such"), 2, "invalid choice: 'no-such'"),
        (("t2", "--stt", "scripted"), 1, "there is no turn t2 on record"),
        (("--since", "2h", "--session", "s9", "--tts", "scripted"), 1, "there is no turn like that"),
        (("t1", "--tts", "xtts"), 1, "install"),
    ):
        done = await operator.tries("replay", *words, COQUI_TOS_AGREED=1)
        assert (done.returncode, done.stdout, sentence in done.stderr) == (code, "", True), done.stderr


@pytest.mark.timeout(180)
@pytest.mark.usefixtures("stages")
async def test_real_engines_hear_and_speak_a_recorded_question_again(bus: Bus, operator: Operator) -> None:
    """With Whisper and Piper, as `make demo` installs them."""
    await asked(bus, question("t1", wav=await operator.read(commands.ROOT / "audios" / "question.wav")))

    (line,) = await operator.lines("replay", "t1", "--stt", "faster-whisper", "--tts", "embedded")
    now = line["replayed"]
    assert isinstance(now, dict)
    assert word_errors.words(now["transcription"]) == "good morning what is the capital of france"
    assert now["reply"] == "I heard you. You said: Hello there."
    assert 1 < now["speech"] < 6


def test_word_errors_are_counted_without_case_and_punctuation() -> None:
    assert word_errors.rate(["Good morning.", "Who's there?"], ["good, morning", "Who is there"]) == 0.2
    assert word_errors.rate(["", "a b"], ["noise", "a"]) == 0.5
    assert word_errors.rate([""], ["noise"]) is None


def test_every_engine_of_a_stage_can_be_named() -> None:
    for stage, kind in (("stt", SttSettings), ("llm", LlmSettings), ("tts", TtsSettings)):
        known = set(get_args(get_type_hints(kind)[f"{stage}_engine"])) - {""}
        assert set(arguments.ENGINES[stage]) == known
