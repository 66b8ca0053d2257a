"""`voicebus talk` with a real edge and real stages; its microphone is a file, its speaker keeps what it is given."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus_schemas import Utterance
from bus_schemas.frames import Spoken
from services.cli import talk_conversation
from services.cli.client import Client
from services.cli.talk_player import Player
from services.edge.settings import EdgeSettings
from services.runtime.bus import Bus, BusSettings
from services.runtime.wav import SILENCE
from tests.cli.commands import ROOT, run
from tests.edge.asking import edge, tone
from tests.fundamentals.conftest import stages as stages
from tests.harness import listening, wait_until


class Room:
    """A microphone that hears *sounds* one after the other, a speaker that can be held up, and a key."""

    def __init__(self, *sounds: bytes) -> None:
        self.sounds = list(sounds)
        self.keys: asyncio.Queue[bool] = asyncio.Queue()
        self.playing: list[bytes] = []
        self.played: list[bytes] = []
        self.stopped = 0
        self.go = asyncio.Event()
        self.go.set()

    async def record(self, until: asyncio.Event, /) -> bytes:
        await until.wait()
        return self.sounds.pop(0)

    async def play(self, wav: bytes, /) -> None:
        self.playing.append(wav)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        self.played.append(wav)

    def press(self, times: int = 1) -> None:
        for _ in range(times):
            self.keys.put_nowait(True)

    def leave(self) -> None:
        self.keys.put_nowait(False)


@pytest.fixture
async def client(bus: Bus, stages: None, bus_settings: BusSettings) -> AsyncIterator[Client]:
    """Of an edge with its three stages."""
    async with (
        edge(bus_settings, EdgeSettings()) as (listening_edge, _),
        Client(f"ws://127.0.0.1:{listening_edge.port}/ws", session="room", stream=True) as opened,
    ):
        yield opened


async def test_what_was_said_is_answered_sentence_by_sentence(
    client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """The words are printed, the sound is played in order; at the end of the keys the last answer is heard out."""
    room = Room(tone(1.0), tone(1.0))
    room.press(2)
    talking = asyncio.create_task(talk_conversation.talk(client, room.record, room.play, room.keys.get))
    await wait_until(lambda: len(room.played) == 2, "both sentences were played")
    room.press(2)
    room.leave()
    await talking
    told = capsys.readouterr().out
    assert told.count("you       Hello there.\nvoicebus  I heard you. You said: Hello there.\n") == 2
    assert len(room.played) == 4
    assert room.played[:2] == room.played[2:]
    assert room.stopped == 0


async def test_a_key_stops_the_answer_and_the_edge_knows_how_much_was_heard(client: Client, bus: Bus) -> None:
    """The second sentence is cut off while it sounds: one was heard. The next question is answered whole."""
    room = Room(tone(1.0), tone(1.0))
    async with listening(bus, "voice.utterance.>") as asked:
        room.press(2)
        talking = asyncio.create_task(talk_conversation.talk(client, room.record, room.play, room.keys.get))
        await wait_until(lambda: len(room.played) == 1, "one sentence was played")
        room.go.clear()
        await wait_until(lambda: len(room.playing) == 2, "the next one sounds")
        room.press()
        await wait_until(lambda: room.stopped == 1, "it is silent")
        room.go.set()
        room.press()
        room.leave()
        await talking
    first, second = asked
    assert isinstance(first, Utterance)
    assert isinstance(second, Utterance)
    assert second.heard is not None
    assert (second.heard.turn, second.heard.sentences) == (first.turn, 1)
    assert len(room.played) == 3


async def test_a_slip_of_the_finger_is_no_question(
    client: Client, bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent, and it is said what to do."""
    room = Room(SILENCE)
    async with listening(bus, "voice.utterance.>") as asked:
        room.press(2)
        room.leave()
        await talk_conversation.talk(client, room.record, room.play, room.keys.get)
    assert asked == []
    assert "Nothing was recorded" in capsys.readouterr().err


async def test_an_answer_that_comes_again_is_not_played_twice() -> None:
    """Its first sentence is the same; the second is another one now."""
    room = Room()
    async with Player(room.play) as player:
        player.add(Spoken(n=0), b"zero")
        await player.finished()
        room.go.clear()
        player.add(Spoken(n=1), b"void")
        await wait_until(lambda: room.playing == [b"zero", b"void"], "it sounds")
        player.restart(1)
        await wait_until(lambda: room.stopped == 1, "it is silent")
        room.go.set()
        player.add(Spoken(n=0), b"zero")
        player.add(Spoken(n=1), b"one")
        await player.finished()
        assert room.played == [b"zero", b"one"]
        assert player.heard == 2


async def test_a_speaker_that_fails_ends_the_waiting() -> None:
    """With its error."""

    async def broken(_: bytes, /) -> None:
        raise OSError("no speaker")

    async with Player(broken) as player:
        player.add(Spoken(n=0), b"zero")
        with pytest.raises(OSError, match="no speaker"):
            await player.finished()


@pytest.mark.parametrize(
    ("fails", "says"),
    [("ImportError('none')", "make extra NAME=talk"), ("OSError('PortAudio library not found')", "libportaudio2")],
)
def test_without_its_library_it_ends_with_a_sentence(tmp_path: Path, fails: str, says: str) -> None:
    """Of what to install; before anybody is asked anything."""
    (tmp_path / "sounddevice.py").write_text(f"raise {fails}")
    done = run(tmp_path, "talk", PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert says in line
