"""`voicebus turns` and `voicebus show` as an operator uses them."""

import json

import pytest

from bus_schemas import Cancel, Speech
from services.runtime import streams
from services.runtime.bus import Bus
from services.runtime.streams import StreamSettings
from tests.edge.asking import length, tone
from tests.harness import free_port
from tests.record.conftest import Operator, asked, question, settled

SILENCE = tone(1)[:44] + bytes(32_000)


async def four_turns(bus: Bus) -> None:
    """One answered, one silent, one failed, one cancelled, while the stages run."""
    await asked(bus, question("t1"))
    await asked(bus, question("t2", wav=SILENCE))
    await asked(bus, question("t3", session="s2", wav=b"no sound"))
    await bus.publish(Speech(origin="web", session="s3", turn="t4", attempt="a", n=0, take="t", text="Well,"))
    await bus.tell(Cancel(origin="web", session="s3"))
    await settled(bus)


@pytest.mark.usefixtures("stages")
async def test_turns_are_listed_with_how_they_ended(bus: Bus, operator: Operator) -> None:
    await four_turns(bus)

    turns = {str(line["turn"]): line for line in await operator.lines("turns")}
    assert [(name, line["outcome"]) for name, line in turns.items()] == [
        ("t1", "answered"),
        ("t2", "silent"),
        ("t3", "refused.not_wav"),
        ("t4", "cancelled"),
    ]
    first = turns["t1"]
    assert (first["transcription"], first["reply"]) == ("Hello there.", "I heard you. You said: Hello there.")
    assert 0 < float(str(first["first_audio"])) < float(str(first["seconds"])) < 10
    assert (turns["t2"]["transcription"], turns["t2"]["first_audio"]) == ("", None)
    drawn = await operator("turns", "--origin", "kiosk", "--session", "s2", "--since", "10m")
    assert "t3  kiosk  s2" in drawn
    assert "t1" not in drawn


@pytest.mark.usefixtures("stages")
async def test_a_bare_wav_has_the_name_that_its_asker_heard(bus: Bus, operator: Operator) -> None:
    await bus.jetstream.publish("voice.utterance.kiosk.s1", tone(1))
    await asked(bus, question("t2"))

    bare, _ = await operator.lines("turns")
    assert (bare["outcome"], bare["transcription"]) == ("answered", "Hello there.")
    assert str(bare["turn"]).startswith("1-")


@pytest.mark.usefixtures("stages")
async def test_a_turn_is_shown_with_its_waterfall_and_its_sound(bus: Bus, operator: Operator) -> None:
    await asked(bus, question("t1"))

    shown = await operator("show", "t1", "--out", "found")
    assert [word for word in ("stt ", "llm ", "tts ", "utterance", "transcript", "speech") if word not in shown] == []
    assert "Hello there." in shown
    assert await operator.read("found/t1-question.wav") == tone(1)
    rate, seconds = length(await operator.read("found/t1-reply.wav"))
    assert (rate, seconds > 1) == (24_000, True)
    (told,) = [json.loads(line) for line in (await operator("show", "last", "--json")).splitlines()]
    assert (told["turn"]["turn"], told["question"], len(told["trail"])) == ("t1", "t1-question.wav", 3)
    assert [event["event"] for event in told["events"]][:2] == ["utterance", "transcript"]


async def test_what_cannot_be_shown_is_said_in_a_sentence(bus: Bus, operator: Operator) -> None:
    await bus.publish(question("t1"))
    await bus.publish(question("t1", session="s2"))
    await settled(bus)

    for words, code, sentence in (
        (("show", "nosuch"), 1, "there is no turn nosuch on record"),
        (("show", "t1"), 2, "say --origin and --session"),
        (("turns", "--origin", "a.b"), 2, "--origin 'a.b' is not"),
    ):
        done = await operator.tries(*words)
        assert (done.returncode, done.stdout, sentence in done.stderr) == (code, "", True), done.stderr
    away = await operator.tries("turns", NATS_URL=f"nats://127.0.0.1:{free_port()}", NATS_CONNECT_SECONDS=0.3)
    assert (away.returncode, "no broker answers" in away.stderr) == (1, True)


async def test_a_record_that_is_off_says_how_to_turn_it_on_and_keeps_what_it_has(bus: Bus, operator: Operator) -> None:
    await bus.publish(question("t1"))
    await settled(bus)
    await streams.setup(bus.jetstream, StreamSettings(ack_wait=1.0))

    (line,) = await operator.lines("turns")
    assert (line["turn"], line["outcome"]) == ("t1", "open")
    await bus.jetstream.delete_stream(streams.LOG)
    off = await operator.tries("turns")
    assert (off.returncode, "the record is off" in off.stderr, "VOICEBUS_RECORD=1" in off.stderr) == (1, True, True)
