"""The whole pipeline on the deployment's own broker, each service under its own user."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from bus_schemas import Event, Failed, Utterance, codes
from services.cli import broker_checks
from services.edge import presence
from services.edge.relay import Place, Relay
from services.edge.settings import EdgeSettings
from services.llm.__main__ import open_stage as open_llm
from services.llm.settings import LlmSettings
from services.runtime import bus as buses
from services.runtime import streams
from services.runtime.bus import Bus
from services.runtime.sightings import WANTED
from services.stt.__main__ import open_stage as open_stt
from services.stt.settings import SttSettings
from services.tts.__main__ import open_stage as open_tts
from services.tts.settings import TtsSettings
from tests.edge.asking import edge, receive, tone
from tests.fundamentals.conftest import REPLY
from tests.harness import listening, wait_until
from tests.runtime.workers import working
from tests.security import locked as brokers
from tests.security.locked import Locked, password, user
from tests.wire import dialled, pub

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
async def stages(locked: Locked) -> AsyncIterator[dict[str, Bus]]:
    """stt, llm and tts at work; none of them met a permission that it lacks."""
    async with AsyncExitStack() as running:
        bus = {
            name: await running.enter_async_context(buses.connect(locked.settings(name), name))
            for name in ("stt", "llm", "tts")
        }
        for name, opening in (
            ("stt", open_stt(SttSettings(stt_engine="scripted", scripted_transcript="Hello there."), bus["stt"])),
            ("llm", open_llm(LlmSettings(llm_engine="scripted", scripted=REPLY), bus["llm"])),
            ("tts", open_tts(TtsSettings(tts_engine="scripted"), bus["tts"])),
        ):
            await running.enter_async_context(working(bus[name], await running.enter_async_context(opening)))
        yield bus
        for connection in bus.values():
            await well(connection)


def voicebus(locked: Locked, role: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """The command line, as a role."""
    settings = {"NATS_URL": locked.url, "NATS_USER": role, "NATS_PASSWORD": password(role)}
    command = [sys.executable, "-m", "services.cli.main", *words]
    return subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=30, check=False
    )


async def well(bus: Bus) -> None:
    """The broker answers, and has forbidden nothing."""
    await bus.check()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await bus.lost()


async def test_a_websocket_is_answered_twice_and_can_read_its_answers_again(
    locked: Locked, stages: dict[str, Bus]
) -> None:
    """The second turn needs the memory of the first; the reading is what an edge does after a reconnect."""
    again: list[Event] = []
    async with edge(locked.settings("edge"), EdgeSettings()) as (listening_edge, bus):
        assert streams.missing(await streams.standing(bus.jetstream)) == []
        async with connect(f"ws://127.0.0.1:{listening_edge.port}/ws?session=ward") as client:
            for _ in range(2):
                await client.send(tone(1.0))
                assert (await receive(client)).text["llama"] == "I heard you. You said: Hello there."
        await Relay(bus).read("voice.*.web.ward", Place(time=1.0), again.append)
        await well(bus)
    assert len({event.turn for event in again}) == 2


async def test_an_outsider_is_answered_by_the_example_as_it_stands(
    locked: Locked, stages: dict[str, Bus], tmp_path: Path
) -> None:
    """docs/clients/python/publish.py, with the user and the password in the address."""
    question = tmp_path / "question.wav"
    await asyncio.to_thread(question.write_bytes, tone(1.0))
    url = f"nats://kiosk:{password('kiosk')}@127.0.0.1:{locked.port}"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "docs/clients/python/publish.py"),
        url,
        str(question),
        "kiosk",
        "hall",
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(30):
        told, _ = await process.communicate()
    assert process.returncode == 0, told.decode()
    assert "answer: I heard you. You said: Hello there." in told.decode()
    assert await asyncio.to_thread((tmp_path / "reply.wav").exists)


async def test_an_outsider_who_sends_subjects_of_any_bytes_costs_nobody_a_connection(
    locked: Locked, stages: dict[str, Bus]
) -> None:
    """Where one did, stt was connected anew again and again, and everybody's turns waited meanwhile."""
    names = [bytes([code]).join((b"a", b"7")) for code in (*range(1, 32), 127, 255) if code not in (9, 10)]
    reconnected = list[str]()
    for name, bus in stages.items():
        bus.on_reconnect.append(partial(reconnected.append, name))
    async with edge(locked.settings("edge"), EdgeSettings()) as (listening_edge, _):
        async with dialled(locked.url, "kiosk", password("kiosk")) as outsider:
            for event in (b"utterance", b"cancel"):
                await outsider.send(*(pub(b"voice.%b.kiosk.%b" % (event, name), b"x") for name in names))
        async with connect(f"ws://127.0.0.1:{listening_edge.port}/ws?session=beside") as client:
            await client.send(tone(1.0))
            assert (await receive(client)).text["llama"] == "I heard you. You said: Hello there."
    assert reconnected == []


async def test_what_cannot_be_worked_on_is_told_and_kept(locked: Locked, stages: dict[str, Bus]) -> None:
    """A worker may publish failures and dead letters; the operator reads them."""
    async with (
        buses.connect(locked.settings("edge"), "edge") as bus,
        buses.connect(locked.settings("operator"), "operator") as operator,
        listening(operator, "voice.failed.web.bad") as told,
        listening(operator, "voice.dead.web.bad") as dead,
    ):
        await bus.jetstream.publish("voice.utterance.web.bad", b"", headers={"Voice-Event": "{"})
        await wait_until(lambda: bool(told) and bool(dead), "the failure and the dead letter")
    listed = await asyncio.to_thread(voicebus, locked, "operator", "dead", "list", "--json")
    assert "voice.utterance.web.bad" in listed.stdout, listed.stderr
    number = json.loads(listed.stdout.splitlines()[0])["number"]
    dropped = await asyncio.to_thread(voicebus, locked, "operator", "dead", "drop", str(number), "--yes")
    assert dropped.returncode == 0, dropped.stderr
    assert isinstance(told[0], Failed)
    assert told[0].code == codes.NOT_AN_EVENT


async def test_the_operator_looks_at_streams_empties_them_and_puts_work_back(locked: Locked) -> None:
    """What the page of operations tells an operator to do."""
    async with buses.connect(locked.settings("operator"), "operator") as bus:
        await bus.jetstream.purge_stream(streams.UTTERANCE)
        await bus.publish(Utterance(origin="kiosk", session="back", turn="t", wav=tone(0.1)))
        assert (await bus.jetstream.stream_info(streams.UTTERANCE)).state.messages == 1
        await bus.jetstream.purge_stream(streams.UTTERANCE)
        letters = await bus.jetstream.subscribe("voice.dead.>", ordered_consumer=True)
        await letters.unsubscribe()
        await well(bus)


async def test_who_looks_after_it_hears_who_works_and_where_turns_are(locked: Locked, stages: dict[str, Bus]) -> None:
    """As the observer and as the operator; an outsider's turn is seen too, and nobody lacked a permission."""
    async with (
        edge(locked.settings("edge"), EdgeSettings()) as (listening_edge, own),
        presence.announced(own, listening_edge, "edge-1"),
    ):
        for role in ("observer", "operator"):
            async with user(locked, role) as (client, forbidden):
                inbox = await client.subscribe(client.new_inbox())
                seen = await client.subscribe(f"voicewatch.stt.kiosk.{role}")
                await client.publish("$SRV.STATS", b"", reply=inbox.subject)
                await client.publish(WANTED, b'{"fresh":true}')
                names = {json.loads((await inbox.next_msg(timeout=5)).data)["name"] for _ in range(4)}
                assert names == {f"voicebus-{name}" for name in ("edge", "stt", "llm", "tts")}
                async with user(locked, "kiosk") as (outsider, _):
                    await outsider.publish(f"voice.utterance.kiosk.{role}", tone(0.5))
                assert (await seen.next_msg(timeout=5)).data
                assert forbidden == []
        await well(own)


@pytest.fixture
def older(tmp_path: Path) -> Iterator[Locked]:
    """A broker whose configuration knows nothing of services that say that they are there."""
    old = brokers.copy(tmp_path / "conf")
    lines = old.read_text("utf-8").splitlines(keepends=True)
    old.write_text(
        "".join(line for line in lines if "$SRV" not in line and "voicewatch" not in line and "voiceoffer" not in line),
        "utf-8",
    )
    with brokers.running(tmp_path / "broker", old) as running:
        yield running


async def test_a_worker_that_may_not_say_that_it_is_there_works_all_the_same(older: Locked) -> None:
    """After an upgrade of the services alone."""
    async with buses.connect(older.settings("setup"), "setup") as bus:
        assert await streams.setup(bus.jetstream, streams.StreamSettings()) == []
    async with buses.connect(older.settings("llm"), "llm") as bus:
        engine = LlmSettings(llm_engine="scripted", scripted=REPLY)
        async with open_llm(engine, bus) as stage, working(bus, stage):
            await well(bus)
            assert 'violation for subscription to "$srv.' in bus.last_error
    async with (
        buses.connect(older.settings("stt"), "stt") as bus,
        open_stt(SttSettings(stt_engine="scripted"), bus) as stage,
        edge(older.settings("edge"), EdgeSettings()) as (_, own),
        working(bus, stage),
    ):
        await wait_until(lambda: 'publish to "voiceoffer.stt"' in bus.last_error, "the offer is forbidden")
        await well(bus)
        await well(own)


async def test_the_observer_watches_and_only_the_operator_reads(locked: Locked, stages: dict[str, Bus]) -> None:
    """`--text` listens to the events themselves: the broker refuses it to the observer."""
    picture = await asyncio.to_thread(voicebus, locked, "observer", "watch", "--once", "--json")
    assert picture.returncode == 0, picture.stderr
    assert {worker["stage"] for worker in json.loads(picture.stdout)["workers"]} == {"stt", "llm", "tts"}
    refused = await asyncio.to_thread(voicebus, locked, "observer", "watch", "--once", "--text")
    assert refused.returncode == 1
    assert "the broker forbids it" in refused.stderr
    allowed = await asyncio.to_thread(voicebus, locked, "operator", "watch", "--once", "--text")
    assert allowed.returncode == 0, allowed.stderr


async def test_the_observer_can_run_the_doctor(locked: Locked) -> None:
    """Broker, streams and clock, without a permission to read what is in them."""
    found = await broker_checks.look(locked.settings("observer"), streams.StreamSettings())
    assert [(finding.what, finding.state) for finding in found] == [
        (what, "ok") for what in ("broker", "streams", "clock")
    ]


@pytest.mark.parametrize(("role", "code"), [("setup", 0), ("stt", 1)])
def test_setup_needs_its_own_user_and_says_what_another_lacks(locked: Locked, role: str, code: int) -> None:
    """Within its time, and without one of its own that runs out."""
    ended = voicebus(locked, role, "setup")
    assert ended.returncode == code, ended.stderr
    assert ("forbids it" in ended.stderr) == bool(code)


@pytest.mark.parametrize(("service", "other"), [("stt", "tts"), ("llm", "stt"), ("tts", "llm"), ("edge", "tts")])
def test_a_service_under_the_user_of_another_ends_and_says_what_it_lacks(
    locked: Locked, service: str, other: str
) -> None:
    """Exit code 1 within seconds and the subject in the log; no time-out that nobody understands."""
    settings = {
        "NATS_URL": locked.url,
        "NATS_USER": other,
        "NATS_PASSWORD": password(other),
        "PORT": "0",
        **{f"{stage}_ENGINE": "scripted" for stage in ("STT", "LLM", "TTS")},
    }
    command = [sys.executable, "-m", f"services.{service}"]
    ended = subprocess.run(
        command, env={**os.environ, **settings}, capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 1, ended.stderr
    assert "the broker forbids it: nats: permissions violation" in ended.stderr.lower()
    assert password(other) not in ended.stderr
