"""API keys: who has none is not let in, and who has one cannot reach into what is another's."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path

import pytest
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from bus_schemas import Cancel, Event, Utterance, codes
from services.edge import keys
from services.edge.gate import Gate
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.llm.__main__ import open_stage as open_llm
from services.llm.settings import LlmSettings, ScriptedSettings
from services.runtime import settings
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import Refused, SettingsError
from services.stt.__main__ import open_stage as open_stt
from services.stt.settings import SttSettings
from services.tts.__main__ import open_stage as open_tts
from services.tts.settings import TtsSettings
from tests.cli.commands import ROOT, run, started
from tests.edge.asking import answering, edge, receive, speech, tone
from tests.harness import listening, wait_until
from tests.runtime.workers import working

ANA, BEN = "key-of-ana-0123456789", "key-of-ben-0123456789"
OLD = "old-key-of-ana-0123456789"
KEYS = f"ana:{ANA}, ben:{BEN}, ana:{OLD}"
QUESTION = ROOT / "audios" / "question.wav"
REPLY = ScriptedSettings(scripted_reply="Before, you asked: {previous}", scripted_words_per_second=0)


@pytest.fixture
def edge_settings() -> EdgeSettings:
    """Those of this test's edge."""
    return EdgeSettings(api_keys=KEYS, silence_seconds=1)


@pytest.fixture
async def server(bus: Bus, bus_settings: BusSettings, edge_settings: EdgeSettings) -> AsyncIterator[Edge]:
    """An edge that asks for keys."""
    async with edge(bus_settings, edge_settings) as (running, _):
        yield running


def ask(server: Edge, key: str, query: str = "") -> connect:
    """A stock client with a key."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return connect(f"ws://127.0.0.1:{server.port}/ws{query}", additional_headers=headers)


async def refusal(handshake: connect) -> tuple[int, str, Mapping[str, str]]:
    """Status, code and headers of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as caught:
        async with handshake:
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"")["error"]["code"], response.headers


async def slow(_: Utterance) -> AsyncGenerator[Event, None]:
    """An engine that takes a while."""
    await asyncio.sleep(0.8)
    yield speech(0, last=True, said="a secret of ana")


async def origin(_: Utterance) -> AsyncGenerator[Event, None]:
    """Tells who asks."""
    yield speech(0, last=True, said=_.origin)


@pytest.mark.parametrize("text", ["# shop:was-here", ",", "# a\n# b\n"])
def test_keys_that_are_all_commented_out_do_not_open_the_edge_to_everybody(text: str) -> None:
    with pytest.raises(SettingsError, match="no key in it"):
        keys.read(text)


def test_entries_are_a_name_a_key_and_limits() -> None:
    """On lines or with commas, with comments; the key itself is not kept."""
    found = keys.read(f"# ours\nana:{ANA}:60:4  # the shop\nben:{BEN}::2, eve:sha256={'AB' * 32}:5")

    assert [(key.name, key.per_minute, key.at_once) for key in found] == [("ana", 60, 4), ("ben", 0, 2), ("eve", 5, 0)]
    assert found[2].digest == bytes.fromhex("ab" * 32)
    assert ANA not in repr(found)


def test_the_example_of_the_page_can_be_read() -> None:
    """As it stands in docs/security.md."""
    example = (ROOT / "docs" / "security.md").read_text("utf-8").split("```")[1]

    assert [(key.name, key.per_minute, key.at_once) for key in keys.read(example)] == [
        ("shop", 60, 4),
        ("lobby", 20, 0),
    ]


@pytest.mark.parametrize(
    "entry",
    ["hush-hush-hush-hush", "ana:hush", "a.b:hush-hush-hush-hush", "ana:hush hush-hush", "ana:sha256=hush",
     "ana:hush-hush-hush-hush:many", "ana:hush-hush-hush-hush:1:2:3", ":hush-hush-hush-hush"],
)  # fmt: skip
def test_a_bad_entry_is_named_by_its_number_and_never_quoted(entry: str) -> None:
    """Half a secret in an error message is in the log for ever."""
    with pytest.raises(SettingsError) as caught:
        keys.read(f"ana:{ANA},{entry}")

    assert "entry 2" in str(caught.value)
    assert "hush" not in str(caught.value)
    assert ANA not in str(caught.value)


def test_entries_that_contradict_each_other_are_refused() -> None:
    """One key for two parties; two limits for one party."""
    with pytest.raises(SettingsError, match="twice"):
        keys.read(f"ana:{ANA} ben:{ANA}")
    with pytest.raises(SettingsError, match="entries of ana have different limits"):
        keys.read(f"ana:{ANA}:60 ana:{OLD}")


def test_a_key_is_found_wherever_it_stands_and_by_its_hash_too() -> None:
    """Nothing else is: neither a part, nor more, nor the hash itself."""
    digest = keys.read(f"x:{ANA}")[0].digest.hex()
    known = keys.read(f"ben:{BEN},ana:sha256={digest}")

    assert [found.name for text in (ANA, BEN) if (found := keys.find(known, text))] == ["ana", "ben"]
    assert [keys.find(known, text) for text in ("", ANA[:-1], ANA + "x", digest, f"sha256={digest}")] == [None] * 5


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", ""),
        ("Authorization", "Bearer"),
        ("Authorization", f"Basic {ANA}"),
        ("Authorization", f"Bearer {ANA}, Bearer {BEN}"),
        ("Authorization", f"Bearer {ANA}\t{BEN}"),
        ("Sec-WebSocket-Protocol", "voicebus"),
        ("Sec-WebSocket-Protocol", "voicebus.key."),
        ("Sec-WebSocket-Protocol", ANA),
        ("Sec-WebSocket-Protocol", f"voicebus.key.{ANA}, voicebus.key.{BEN}"),
        ("Sec-WebSocket-Protocol", f"voicebus.key.{ANA}, <?>"),
        ("X-Api-Key", ANA),
    ],
)
def test_what_is_not_one_known_key_is_unauthorized(name: str, value: str) -> None:
    """One code for all of it: it does not tell a wrong key from none."""
    with pytest.raises(Refused) as caught:
        keys.caller(keys.read(KEYS), Headers([(name, value)]))

    assert caught.value.code == codes.UNAUTHORIZED


@pytest.mark.parametrize("key", ["", "key-of-eve-0123456789"])
async def test_without_a_key_the_handshake_is_refused_in_json(server: Edge, key: str) -> None:
    """401, with what to send."""
    status, code, headers = await refusal(ask(server, key))

    assert (status, code) == (401, codes.UNAUTHORIZED)
    assert headers["WWW-Authenticate"] == "Bearer"


async def test_a_key_is_its_partys_origin_on_the_bus(bus: Bus, server: Edge) -> None:
    """Its old and its new key are the same party; every name of a session is its own to choose."""
    async with answering(bus, origin), listening(bus, "voice.utterance.>") as heard:
        for key in (ANA, OLD, BEN):
            async with ask(server, key, "?session=kitchen") as client:
                await client.send(tone(0.2))
                assert (await receive(client)).text["transcription"] == ("ben" if key == BEN else "ana")

    assert [(event.origin, event.session) for event in heard] == [
        ("ana", "kitchen"), ("ana", "kitchen"), ("ben", "kitchen")
    ]  # fmt: skip


@pytest.mark.parametrize("edge_settings", [EdgeSettings(api_keys=KEYS, host="0.0.0.0")])
async def test_off_loopback_too_a_key_names_its_sessions_freely(server: Edge) -> None:
    """They are under its own origin."""
    async with ask(server, ANA, "?session=kitchen") as client:
        assert client.response is not None
        assert client.response.headers["Voicebus-Session"] == "kitchen"


async def test_a_browser_sends_its_key_as_a_subprotocol_and_never_sees_it_again(bus: Bus, server: Edge) -> None:
    """The answer is `voicebus`, and no header has the key."""
    offered = [Subprotocol("voicebus"), Subprotocol(f"voicebus.key.{BEN}")]
    async with (
        answering(bus, origin),
        connect(f"ws://127.0.0.1:{server.port}/ws", subprotocols=offered) as client,
    ):
        await client.send(tone(0.2))
        assert (await receive(client)).text["transcription"] == "ben"
        assert client.subprotocol == "voicebus"
        assert client.response is not None
        assert BEN not in str(client.response)


async def nothing_comes(client: ClientConnection, seconds: float = 1.5) -> None:
    """Not one frame with sound or with words of an answer."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                frame = await client.recv()
                assert isinstance(frame, str)
                assert set(json.loads(frame)) == {"error"}
    except TimeoutError:
        return


async def test_a_key_cannot_resume_a_turn_of_another(bus: Bus, server: Edge) -> None:
    """Whoever names the session and the turn of another hears nothing of it, live or stored."""
    async with answering(bus, slow), listening(bus, "voice.utterance.>") as heard:
        async with ask(server, ANA, "?session=kitchen") as ana:
            await ana.send(tone(0.2))
            await wait_until(lambda: bool(heard), "the turn is on the bus")
            turn = heard[0].turn
            async with ask(server, BEN, f"?session=kitchen&resume={turn}") as ben:
                await asyncio.gather(nothing_comes(ben), receive(ana))
        async with ask(server, BEN, f"?session=kitchen&resume={turn}") as ben:
            await nothing_comes(ben)


async def test_a_key_cannot_cancel_a_turn_of_another(bus: Bus, server: Edge) -> None:
    """A socket that closes cancels what is its own, in a session of the same name too."""
    async with answering(bus, slow), listening(bus) as events, ask(server, ANA, "?session=kitchen") as ana:
        await ana.send(tone(0.2))
        async with ask(server, BEN, "?session=kitchen") as ben:
            await ben.send(tone(0.2))
            await wait_until(lambda: sum(isinstance(e, Utterance) for e in events) == 2, "both turns are on the bus")
        assert (await receive(ana)).text["transcription"] == "a secret of ana"

    assert {event.origin for event in events if isinstance(event, Cancel)} <= {"ben"}


async def test_a_key_is_not_answered_in_a_session_of_another(bus: Bus, server: Edge) -> None:
    """Two sockets in sessions of the same name, at once: each hears its own answers and no other."""
    async with (
        answering(bus, origin),
        ask(server, ANA, "?session=kitchen") as ana,
        ask(server, BEN, "?session=kitchen") as ben,
    ):
        for client, name in ((ana, "ana"), (ben, "ben"), (ana, "ana")):
            await client.send(tone(0.2))
            assert (await receive(client)).text["transcription"] == name
        await asyncio.gather(nothing_comes(ana, 0.5), nothing_comes(ben, 0.5))


async def test_a_key_cannot_remember_what_another_asked(bus: Bus, server: Edge) -> None:
    """In a session of the same name the model is told nothing of it; its own next turn remembers."""

    async def reply(key: str) -> object:
        async with ask(server, key, "?session=kitchen") as client:
            await client.send(tone(0.2))
            return (await receive(client)).text["llama"]

    async with (
        open_stt(SttSettings(stt_engine="scripted", scripted_transcript="What is my PIN?"), bus) as stt,
        open_llm(LlmSettings(llm_engine="scripted", scripted=REPLY), bus) as llm,
        open_tts(TtsSettings(tts_engine="scripted"), bus) as tts,
        working(bus, stt),
        working(bus, llm),
        working(bus, tts),
    ):
        assert await reply(ANA) == "Before, you asked:"
        assert await reply(BEN) == "Before, you asked:"
        assert await reply(OLD) == "Before, you asked: What is my PIN?"


def test_keys_are_read_from_a_file_and_masked(tmp_path: Path) -> None:
    """API_KEYS_FILE, as every secret; `voicebus config` shows stars."""
    (tmp_path / "keys").write_text(f"# of the shop\nana:{ANA}:60:4\n\nben:{BEN}\n")

    read = settings.load(EdgeSettings, {"API_KEYS_FILE": str(tmp_path / "keys")})

    assert [key.name for key in keys.read(read.api_keys)] == ["ana", "ben"]
    assert dict(settings.describe(read))["API_KEYS"] == "***"
    shown = run(tmp_path, "config", "--json", API_KEYS_FILE=tmp_path / "keys", VOICEBUS_KEY=ANA)
    assert shown.returncode == 0
    assert ANA not in shown.stdout + shown.stderr
    assert BEN not in shown.stdout + shown.stderr


@pytest.mark.parametrize(
    ("wanted", "event", "level"),
    [
        (EdgeSettings(), "edge_is_open", "info"),
        (EdgeSettings(host="0.0.0.0"), "edge_is_open", "warning"),
        (EdgeSettings(host="0.0.0.0", api_keys=KEYS), "keys_read", "info"),
    ],
)
def test_at_its_start_an_edge_says_who_may_ask(wanted: EdgeSettings, event: str, level: str) -> None:
    """Open to a network is a warning; keys are told by their names."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(20))
    with structlog.testing.capture_logs() as logs:
        Gate(wanted, lambda: 0.0).tell()

    (line,) = logs
    assert (line["event"], line["log_level"]) == (event, level)
    assert ANA not in str(line)


@pytest.mark.timeout(120)
def test_no_key_no_word_and_no_sound_is_in_any_log(tmp_path: Path) -> None:
    """Of `voicebus up`: a turn with the right key, one with a wrong one, one that is no WAV; then every log is read."""
    said, replied = "Tell me the Krakatoa password.", "The Zanzibar reply."
    words = ("say", "--json", "--session", "kitchen")
    (tmp_path / "no.wav").write_bytes(b"this is no sound at all, only some text that goes on for a while")
    with started(
        tmp_path / "up", "up", API_KEYS=KEYS, SCRIPTED_TRANSCRIPT=said, SCRIPTED_REPLY=replied, LOG_FORMAT="json"
    ) as up:
        up.until_ready()
        address = ("--url", up.url)
        done = run(tmp_path, *words, *address, str(QUESTION), VOICEBUS_KEY=ANA)
        wrong = run(tmp_path, *words, *address, "--key", "key-of-eve-0123456789", str(QUESTION))
        spoiled = run(tmp_path, *words, *address, "--key", BEN, "no.wav")
        logs = up.stderr + "".join(path.read_text() for path in (tmp_path / "up" / "data").rglob("*.log"))

    assert json.loads(done.stdout)["llama"] == replied, done.stderr
    assert (wrong.returncode, "Authorization: Bearer" in wrong.stderr) == (1, True)
    assert "not a WAV" in spoiled.stderr
    assert logs.count('"turn_finished"') == 2
    assert '"origin":"ana"' in logs
    for secret in (ANA, OLD, BEN, "key-of-eve", "Krakatoa", "Zanzibar", "RIFF", "UklGR", "no sound at all"):
        assert secret not in logs
