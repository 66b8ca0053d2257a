"""The WebSocket as the program before voicebus had it: a WAV in; a JSON text frame and a WAV out."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from bus_schemas import Cancel, Event, Failed, Speech, Transcript, Utterance, codes
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import Refused
from services.runtime.streams import UTTERANCE, StreamSettings
from tests.edge.asking import answering, edge, length, receive, refused, speech, tone, two_sentences
from tests.harness import listening, wait_until


@pytest.fixture
def edge_settings() -> EdgeSettings:
    """Those of this test's edge; override it in a test's parameters for others."""
    return EdgeSettings(max_utterance_seconds=5, max_waiting_turns=2, silence_seconds=1)


@pytest.fixture
async def server(bus: Bus, bus_settings: BusSettings, edge_settings: EdgeSettings) -> AsyncIterator[Edge]:
    """An edge that listens."""
    async with edge(bus_settings, edge_settings) as (running, _):
        yield running


def ask(server: Edge, query: str = "") -> connect:
    """A stock client with default settings."""
    return connect(f"ws://127.0.0.1:{server.port}/ws{query}")


async def never(_: Utterance) -> AsyncGenerator[Event, None]:
    """An engine that hangs."""
    await asyncio.sleep(3600)
    yield Transcript(text="", seconds=0)


async def test_a_wav_is_answered_with_text_and_a_wav(bus: Bus, server: Edge) -> None:
    """Two keys, the sentences joined in order, in one binary frame."""
    async with answering(bus, two_sentences), ask(server) as client:
        await client.send(tone(1.5, 44_100, channels=2))
        answer = await receive(client)

    assert answer.text == {"transcription": "1.5 s", "llama": "The reply."}
    assert length(answer.wav) == (24_000, 1.0)


async def test_the_next_turns_of_a_socket_work_too(bus: Bus, server: Edge) -> None:
    """One after the other, as often as one likes."""
    async with answering(bus, two_sentences), ask(server) as client:
        for seconds in (1, 2, 3):
            await client.send(tone(seconds))
            assert (await receive(client)).text["transcription"] == f"{seconds} s"


async def test_turns_sent_at_once_are_answered_in_order_with_errors_in_their_place(bus: Bus, server: Edge) -> None:
    """A later turn that would be faster does not overtake."""

    async def slower_when_short(utterance: Utterance) -> AsyncGenerator[Event, None]:
        seconds = length(utterance.wav)[1]
        await asyncio.sleep(0.4 if seconds < 2 else 0)
        yield speech(0, last=True, said=f"{seconds:g} s")

    async with answering(bus, slower_when_short), ask(server) as client:
        for frame in (tone(1), b"no WAV", tone(2)):
            await client.send(frame)
        assert (await receive(client)).text["transcription"] == "1 s"
        assert await refused(client) == codes.NOT_WAV
        assert (await receive(client)).text["transcription"] == "2 s"


async def test_a_bounded_number_of_turns_waits(bus: Bus, server: Edge) -> None:
    """One runs and two wait; a fourth hears `busy`, in its place: frames carry no name to pair a reply with."""
    go = asyncio.Event()

    async def when_told(utterance: Utterance) -> AsyncGenerator[Event, None]:
        await go.wait()
        yield speech(0, last=True, said=f"{length(utterance.wav)[1]:g} s")

    async with answering(bus, when_told), ask(server) as client:
        for seconds in (1, 2, 3, 4):
            await client.send(tone(seconds))
        await asyncio.sleep(1)
        go.set()
        assert [(await receive(client)).text["transcription"] for _ in range(3)] == ["1 s", "2 s", "3 s"]
        assert await refused(client) == codes.BUSY
        await client.send(tone(5))
        assert (await receive(client)).text["transcription"] == "5 s"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("hello", codes.TEXT_FRAME),
        (b"", codes.EMPTY),
        (b"\0" * 100, codes.NOT_WAV),
        (tone(1)[:45], codes.TRUNCATED),
        (tone(0), codes.EMPTY),
        (tone(6), codes.TOO_LONG),
        (tone(1).replace(b"fmt \x10\0\0\0\1", b"fmt \x10\0\0\0\2"), codes.COMPRESSED),
        (tone(1).replace(b"\x80\x3e\0\0", b"\x80\x0e\0\0"), codes.UNSUPPORTED),
        (bytes(32 * 1024 * 1024 + 1), codes.TOO_LARGE),
    ],
    ids=["text", "empty", "no WAV", "truncated", "no samples", "too long", "compressed", "rate", "too large"],
)
async def test_a_bad_frame_gets_its_own_code_and_the_next_turn_works(
    bus: Bus, server: Edge, frame: str | bytes, code: str
) -> None:
    """The socket stays open."""
    async with answering(bus, two_sentences), ask(server) as client:
        await client.send(frame)
        assert await refused(client) == code
        await client.send(tone(1))
        assert (await receive(client)).text["transcription"] == "1 s"


@pytest.mark.parametrize("edge_settings", [EdgeSettings(max_frame_bytes=100_000)])
async def test_a_frame_of_twice_the_limit_closes_its_socket(server: Edge) -> None:
    """A larger one is not even read."""
    async with ask(server) as client:
        await client.send(bytes(200_000))
        assert await refused(client) == codes.TOO_LARGE
        await client.send(bytes(200_001))
        with pytest.raises(ConnectionClosed) as caught:
            await client.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


async def test_silence_is_answered_with_empty_words_and_an_empty_wav(bus: Bus, server: Edge) -> None:
    """A result, not a failure."""

    async def nobody_spoke(_: Utterance) -> AsyncGenerator[Event, None]:
        yield Speech(attempt="a", n=0, take="t", end=True, last=True)

    async with answering(bus, nobody_spoke), ask(server) as client:
        await client.send(tone(1))
        answer = await receive(client)

    assert answer.text == {"transcription": "", "llama": ""}
    assert len(answer.wav) == 44
    assert length(answer.wav) == (16_000, 0.0)


async def test_a_reply_of_30_seconds_reaches_a_client_with_default_settings(bus: Bus, server: Edge) -> None:
    """1.4 MB at 24 kHz come as less than 1 MiB at 16 kHz."""

    async def long_reply(_: Utterance) -> AsyncGenerator[Event, None]:
        yield speech(0, last=False, seconds=15)
        yield speech(1, last=True, seconds=15)

    async with answering(bus, long_reply), ask(server) as client:
        await client.send(tone(1))
        answer = await receive(client)

    assert length(answer.wav) == (16_000, 30.0)


async def test_wishes_travel_with_the_turn_and_the_session_is_told(bus: Bus, server: Edge) -> None:
    """On the bus they stand in the utterance and its subject; in the handshake's response the session's name."""
    async with (
        listening(bus, "voice.utterance.>") as heard,
        answering(bus, two_sentences),
        ask(server, "?session=s1&voice=man&language=pt&timeout=9") as client,
    ):
        await client.send(tone(1))
        await receive(client)
        assert client.response is not None
        assert client.response.headers["Voicebus-Session"] == "s1"
    (utterance,) = heard

    assert isinstance(utterance, Utterance)
    assert (utterance.origin, utterance.session) == ("web", "s1")
    assert (utterance.voice, utterance.language, utterance.timeout_ms) == ("man", "pt", 9000)


async def test_two_conversations_at_once_hear_each_their_own_answers(bus: Bus, server: Edge) -> None:
    """Eight turns of two sockets, all at once."""

    async def talk(client: ClientConnection, seconds: list[int]) -> None:
        for turn in seconds:
            await client.send(tone(turn))
            assert (await receive(client)).text["transcription"] == f"{turn} s"

    async with answering(bus, two_sentences), ask(server) as one, ask(server) as two:
        await asyncio.gather(talk(one, [1, 2, 3, 4]), talk(two, [4, 3, 2, 1]))


async def test_a_failed_stage_is_told_to_the_client(bus: Bus, server: Edge) -> None:
    """With the stage's own code; the next turn works."""

    async def refuses_the_short(utterance: Utterance) -> AsyncGenerator[Event, None]:
        if length(utterance.wav)[1] < 2:
            raise Refused(codes.LANGUAGE, "Nobody here speaks Klingon.")
        yield speech(0, last=True)

    async with answering(bus, refuses_the_short), ask(server) as client:
        await client.send(tone(1))
        assert await refused(client) == codes.LANGUAGE
        await client.send(tone(2))
        await receive(client)


async def test_a_question_that_only_this_broker_does_not_take_is_not_its_senders_fault(bus: Bus, server: Edge) -> None:
    """An operator has lowered the largest message of the stream; shorter questions are taken."""
    config = (await bus.jetstream.stream_info(UTTERANCE)).config
    await bus.jetstream.update_stream(config.evolve(max_msg_size=50_000))
    async with answering(bus, two_sentences), ask(server) as client:
        await client.send(tone(3))
        assert await refused(client) == codes.UNAVAILABLE
        await client.send(tone(1))
        await receive(client)


async def test_a_broker_that_stores_nothing_is_told_as_what_only_its_operator_can_mend(
    bus: Bus, bus_settings: BusSettings
) -> None:
    """No PubAck comes, as after a full disk: to try again in a few seconds would be bad advice."""
    config = (await bus.jetstream.stream_info(UTTERANCE)).config
    await bus.jetstream.update_stream(config.evolve(no_ack=True))
    async with edge(bus_settings, EdgeSettings(publish_seconds=3)) as (running, connection), ask(running) as client:
        await client.send(tone(1))
        error = json.loads(await client.recv())["error"]
        assert "stores nothing on voice.utterance.*" in connection.stuck
    assert error["code"] == codes.UNAVAILABLE
    assert "has to look at its broker" in error["message"]


async def test_past_its_time_a_turn_gets_one_error_and_is_cancelled(bus: Bus, server: Edge) -> None:
    """The stages hear that nobody waits; the next turn works."""
    async with listening(bus, "voice.cancel.>") as cancels, ask(server, "?timeout=2") as client:
        async with answering(bus, never):
            await client.send(tone(1))
            assert await refused(client) == codes.DEADLINE
            await wait_until(lambda: len(cancels) == 1, "the cancel is told")
        async with answering(bus, two_sentences):
            await client.send(tone(1))
            await receive(client)

    assert isinstance(cancels[0], Cancel)
    assert cancels[0].turn


async def test_a_client_that_leaves_cancels_its_turn(bus: Bus, server: Edge) -> None:
    """Nobody works for a closed socket."""
    async with listening(bus) as events, answering(bus, never):
        async with ask(server) as client:
            await client.send(tone(1))
            await wait_until(lambda: any(isinstance(event, Utterance) for event in events), "the turn is on the bus")
        await wait_until(lambda: any(isinstance(event, Cancel) for event in events), "the cancel is told")


@pytest.mark.parametrize("stream_settings", [StreamSettings(stream_utterances=1)])
async def test_a_full_queue_is_told_as_busy(bus: Bus, server: Edge) -> None:
    """One turn is all that these streams admit, and nobody works."""
    async with ask(server) as first, ask(server) as second:
        await first.send(tone(1))
        await wait_until_async(bus, 1)
        await second.send(tone(1))
        assert await refused(second) == codes.BUSY


async def wait_until_async(bus: Bus, messages: int) -> None:
    for _ in range(200):
        if (await bus.jetstream.stream_info("VOICE_UTTERANCE")).state.messages == messages:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the utterance was not stored")


async def test_a_failure_of_an_outsider_does_not_reach_the_socket(bus: Bus, server: Edge) -> None:
    """An answer to a turn that nobody here asked is dropped."""
    async with answering(bus, two_sentences), ask(server, "?session=s2") as client:
        await bus.publish(Failed(origin="web", session="s2", turn="other", stage="stt", code="crashed", message="m."))
        await client.send(tone(1))
        assert (await receive(client)).text["llama"] == "The reply."


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nowhere", 404, codes.UNKNOWN_PATH),
        ("/ws?timeout=soon", 400, codes.BAD_PARAMETER),
        ("//[", 400, codes.BAD_PARAMETER),
    ],
)
async def test_a_wrong_address_is_refused_in_json(server: Edge, path: str, status: int, code: str) -> None:
    """With the shape of an error frame."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()

    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"application/json" in head
    assert json.loads(body)["error"]["code"] == code


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def test_health_and_numbers_are_on_the_same_port(bus: Bus, server: Edge) -> None:
    """Alive, ready, and how turns ended."""
    async with answering(bus, two_sentences), ask(server) as client:
        await client.send(tone(1))
        await receive(client)
        base = f"http://127.0.0.1:{server.port}"
        answers = [await asyncio.to_thread(get, base + path) for path in ("/healthz", "/readyz", "/metrics")]

    assert [status for status, _ in answers] == [200, 200, 200]
    assert 'voicebus_turns_total{outcome="answered"}' in answers[2][1]
    assert "voicebus_open_sockets 1.0" in answers[2][1]


async def test_a_stopping_edge_finishes_what_runs(bus: Bus, server: Edge) -> None:
    """The running turn is answered, then the socket is closed with 1001; nobody else is let in."""
    go = asyncio.Event()

    async def when_told(_: Utterance) -> AsyncGenerator[Event, None]:
        await go.wait()
        yield speech(0, last=True)

    async with (
        listening(bus, "voice.utterance.>") as heard,
        answering(bus, when_told),
        ask(server) as client,
        ask(server) as idle,
    ):
        await client.send(tone(1))
        await wait_until(lambda: bool(heard), "the turn is on the bus")
        drain = asyncio.create_task(server.drain(10))
        with pytest.raises(ConnectionClosed) as left:
            await asyncio.wait_for(idle.recv(), 5)
        with pytest.raises(InvalidStatus) as late:
            await ask(server)
        ready = await asyncio.to_thread(get, f"http://127.0.0.1:{server.port}/readyz")
        go.set()
        await receive(client)
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(client.recv(), 5)
        await asyncio.wait_for(drain, 5)

    assert [error.value.rcvd.code for error in (left, closed) if error.value.rcvd] == [1001, 1001]
    assert (late.value.response.status_code, ready[0]) == (503, 503)


async def test_a_stopping_edge_does_not_wait_for_ever(bus: Bus, server: Edge) -> None:
    """When the time is over the client is told, then left."""
    async with listening(bus, "voice.utterance.>") as heard, answering(bus, never), ask(server) as client:
        await client.send(tone(1))
        await wait_until(lambda: bool(heard), "the turn is on the bus")
        await asyncio.wait_for(server.drain(0.2), 5)
        assert await refused(client) == codes.UNAVAILABLE
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(client.recv(), 5)
