"""What each role of deploy/nats/nats.conf may do and may not, both ways, against the broker that runs that file."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from nats.errors import NoRespondersError
from nats.js.errors import NoStreamResponseError

from services.runtime import bus as buses
from services.runtime import streams
from services.runtime.errors import BusLost, StartError
from tests.harness import heard
from tests.security import locked as brokers
from tests.security.locked import ROLES, SERVICES, Locked, user

WORKERS = {"stt", "llm", "tts"}

# subject -> the roles that may publish there; every other role is denied
PUBLISH: dict[str, set[str]] = {
    "voice.utterance.web.m": {"edge"},
    "voice.utterance.kiosk.m": set(),
    "voice.cancel.web.m": {"edge"},
    "voice.cancel.kiosk.m": set(),
    "voice.transcript.web.m": {"stt"},
    "voice.sentence.web.m": {"llm"},
    "voice.speech.web.m": {"stt", "tts"},
    "voice.failed.web.m": WORKERS,
    "voice.dead.web.m": WORKERS,
    "$KV.voice_memory.web.m": {"llm"},
    "$JS.API.STREAM.INFO.VOICE_ANSWER": set(SERVICES),
    "$JS.API.STREAM.INFO.KV_voice_memory": {"setup", "edge", "llm", "observer"},
    "$JS.API.STREAM.MSG.GET.KV_voice_memory": {"llm"},
    "$JS.API.DIRECT.GET.VOICE_ANSWER": {"edge"},
    "$JS.API.STREAM.MSG.GET.VOICE_ANSWER": set(),
    "$JS.API.STREAM.MSG.GET.VOICE_DEAD": set(),
    "$JS.API.DIRECT.GET.VOICE_DEAD": set(),
    "$JS.API.DIRECT.GET.VOICE_UTTERANCE": {"edge"},
    "$JS.API.STREAM.INFO.VOICE_UTTERANCE": {"setup", "edge", "stt", "observer"},
    "$JS.API.CONSUMER.MSG.NEXT.VOICE_UTTERANCE.stt": {"stt"},
    "$JS.API.CONSUMER.MSG.NEXT.VOICE_TRANSCRIPT.llm": {"llm"},
    "$JS.API.CONSUMER.MSG.NEXT.VOICE_SENTENCE.tts": {"tts"},
    "$JS.ACK.VOICE_UTTERANCE.stt.1.1.1.1.0": {"stt"},
    "$JS.ACK.VOICE_TRANSCRIPT.llm.1.1.1.1.0": {"llm"},
    "$JS.ACK.VOICE_SENTENCE.tts.1.1.1.1.0": {"tts"},
    "$JS.API.STREAM.CREATE.VOICE_ANSWER": {"setup"},
    "$JS.API.STREAM.CREATE.VOICE_LOG": {"setup"},
    "$JS.API.STREAM.CREATE.SPY": set(),
    "$JS.API.STREAM.UPDATE.VOICE_ANSWER": set(),
    "$JS.API.STREAM.UPDATE.VOICE_LOG": set(),
    "$JS.API.STREAM.MSG.GET.VOICE_LOG": set(),
    "$JS.API.DIRECT.GET.VOICE_LOG": set(),
    "$JS.API.CONSUMER.CREATE.VOICE_LOG.spy": set(),
    "record.voice.speech.web.m": set(),
    "$JS.API.STREAM.DELETE.VOICE_ANSWER": set(),
    "$JS.API.STREAM.PURGE.VOICE_ANSWER": set(),
    "$JS.API.STREAM.MSG.DELETE.VOICE_DEAD": set(),
    "$JS.API.STREAM.LIST": set(),
    "$JS.API.CONSUMER.DURABLE.CREATE.VOICE_UTTERANCE.stt": {"setup"},
    "$JS.API.CONSUMER.CREATE.VOICE_ANSWER.spy": set(),
    "$JS.API.CONSUMER.DELETE.VOICE_UTTERANCE.stt": set(),
    "$JS.API.CONSUMER.INFO.VOICE_UTTERANCE.stt": {"setup", "edge", "stt", "observer"},
    "$JS.API.CONSUMER.INFO.VOICE_SENTENCE.tts": {"setup", "edge", "stt", "observer"},
    "_INBOX_edge.m": set(),
    "_INBOX_llm.m": set(),
    "_INBOX_observer.m": set(),
    "_R_.m": {"edge", *WORKERS},
    "$SRV.STATS": {"observer"},
    "$SRV.INFO.voicebus-stt": {"observer"},
    "voicewatch.wanted": {"observer"},
    "voiceoffer.stt": {"stt"},
    "voiceoffer.tts": {"tts"},
    "voiceoffer.edge": set(),
    "voicewatch.stt.web.m": {"stt"},
    "voicewatch.edge.kiosk.m": {"edge"},
    "$SYS.REQ.SERVER.PING": set(),
}
# subject -> the roles that may listen there
SUBSCRIBE: dict[str, set[str]] = {
    **{f"_INBOX_{role}.>": {role} for role in SERVICES},
    "voice.*.web.m": {"edge"},
    "voice.*.kiosk.m": set(),
    "voice.cancel.*.*": {"edge", *WORKERS},
    "voice.utterance.*.*": {"edge"},
    "voice.>": set(),
    "record.>": set(),
    "record.voice.*.web.m": set(),
    "_INBOX.>": set(),
    "_INBOX_operator.>": set(),
    "$SRV.*": {"edge", *WORKERS},
    "$SRV.*.voicebus-stt": {"stt"},
    "$SRV.*.voicebus-stt.*": {"stt"},
    "$SRV.>": {"edge", *WORKERS},  # the broker takes this for one that `$SRV.*` allows; there are only questions
    "voicewatch.wanted": {"edge", *WORKERS},
    "voicewatch.*.*.*": {"observer"},
    "voiceoffer.*": {"edge"},
    "voiceoffer.>": {"edge"},  # taken for `voiceoffer.*` likewise
    "voicewatch.>": set(),
    "$KV.>": set(),
    "$JS.API.>": set(),
    "$JS.ACK.>": set(),
    "$JS.EVENT.ADVISORY.>": {"observer"},
    "$SYS.>": set(),
    ">": set(),
}


@pytest.mark.parametrize("role", SERVICES)
async def test_a_role_may_do_what_its_row_says_and_nothing_else(locked: Locked, role: str) -> None:
    """Every subject of the two tables is tried by every role; the broker names each one that it forbids."""
    async with user(locked, role) as (client, forbidden):
        for subject in PUBLISH:
            await client.publish(subject, b"")
        for subject in SUBSCRIBE:
            await (await client.subscribe(subject)).unsubscribe(limit=1)
        await heard(client)
        # the broker names what it puts in the place of a question of `setup` or `observer` to JetStream
        found = {text.lower().replace('"voicejs.', '"$js.api.') for text in forbidden}
    assert found == {text.lower() for text in _violations(role)}


def _violations(role: str) -> Iterator[str]:
    for subject, allowed in PUBLISH.items():
        if role not in allowed:
            yield f'nats: Permissions Violation for Publish to "{subject}"'
    for subject, allowed in SUBSCRIBE.items():
        if role not in allowed:
            yield f'nats: Permissions Violation for Subscription to "{subject}"'


@pytest.mark.parametrize("role", SERVICES)
async def test_a_service_without_a_permission_is_told_at_once_which(locked: Locked, role: str) -> None:
    """The connection is given up with the subject's name, before the request's own time is over."""
    async with asyncio.timeout(3), buses.connect(locked.settings(role), role) as bus:
        await bus.check()
        with pytest.raises(BusLost, match=r"(?i)forbids it.*stream\.delete\.voice_answer"):
            await bus.unless_lost(bus.jetstream.delete_stream(streams.ANSWER))


async def test_an_edge_that_listens_to_everybody_does_not_hear_an_outsider(locked: Locked) -> None:
    """The denied origin is left out of its wildcard; others are in it."""
    async with user(locked, "edge") as (client, forbidden), user(locked, "operator") as (operator, _):
        listening = await client.subscribe("voice.utterance.*.*")
        await heard(client)
        for origin in ("kiosk", "web"):
            await operator.publish(f"voice.utterance.{origin}.m2", b"x")
        first = await listening.next_msg(timeout=2)
    assert first.subject == "voice.utterance.web.m2"
    assert forbidden == []


@pytest.mark.parametrize(
    "subject",
    [
        "voice.utterance.web.m",
        "voice.transcript.kiosk.m",
        "voice.sentence.kiosk.m",
        "voice.speech.kiosk.m",
        "voice.dead.kiosk.m",
        "$KV.voice_memory.kiosk.m",
        "$KV.voice_memory.web.m",
        "$JS.API.INFO",
        "$JS.API.STREAM.INFO.VOICE_ANSWER",
        "$JS.API.DIRECT.GET.VOICE_ANSWER",
        "$JS.API.DIRECT.GET.VOICE_ANSWER.voice.speech.web.m",
        "$JS.API.DIRECT.GET.VOICE_LOG",
        "record.voice.speech.kiosk.m",
        "$JS.API.STREAM.MSG.GET.VOICE_DEAD",
        "$JS.API.STREAM.MSG.GET.KV_voice_memory",
        "$JS.API.CONSUMER.CREATE.VOICE_ANSWER.spy",
        "$JS.API.CONSUMER.MSG.NEXT.VOICE_UTTERANCE.stt",
        "$JS.API.STREAM.DELETE.VOICE_ANSWER",
    ],
)
async def test_what_an_outsider_sends_elsewhere_reaches_nobody(locked: Locked, subject: str) -> None:
    """Its own account has nobody behind these subjects, and no JetStream: the broker says so at once."""
    async with user(locked, "kiosk") as (client, _):
        try:
            answer = (await client.request(subject, b"{}", timeout=2)).data
        except NoRespondersError:
            return
    assert b"JetStream not enabled for account" in answer


async def test_an_outsider_hears_its_own_events_and_no_others(locked: Locked) -> None:
    """Even when it listens to everything there is."""
    async with user(locked, "kiosk") as (client, _), user(locked, "operator") as (operator, _):
        everything = await client.subscribe(">")
        await heard(client)
        for subject in ("voice.utterance.web.m3", "voice.sentence.web.m3", "voice.sentence.kiosk.m3"):
            await operator.publish(subject, b"{}")
        assert (await everything.next_msg(timeout=2)).subject == "voice.sentence.kiosk.m3"
        with pytest.raises(TimeoutError):
            await everything.next_msg(timeout=0.2)


async def test_the_broker_confirms_to_an_outsider_and_to_nobody_that_it_names(locked: Locked) -> None:
    """The confirmation of a question goes wherever the asker says: as `cancel` it would end somebody else's turns."""
    async with user(locked, "kiosk") as (client, _), user(locked, "operator") as (operator, _):
        cancels = await operator.subscribe("voice.cancel.*.*")
        await heard(operator)
        await client.publish("voice.utterance.kiosk.m4", b"x", reply="voice.cancel.web.victim")
        await client.publish("voice.cancel.kiosk.m4", b"{}")
        assert (await cancels.next_msg(timeout=2)).subject == "voice.cancel.kiosk.m4"
        with pytest.raises(TimeoutError):
            await cancels.next_msg(timeout=0.3)
        assert (await client.jetstream().publish("voice.utterance.kiosk.m4", b"x")).stream == streams.UTTERANCE
        with pytest.raises(NoStreamResponseError):
            await client.jetstream().publish("voice.utterance.web.m4", b"x")


@pytest.mark.parametrize("role", ROLES)
def test_the_broker_does_not_start_without_the_password_of_every_role(role: str, tmp_path: Path) -> None:
    """Neither with the variable unset, nor empty, as a compose file gives one that nobody has set."""
    name = f"NATS_{role.upper()}_PASSWORD"
    good = brokers.environment(tmp_path)
    assert brokers.check(good).returncode == 0
    unset = brokers.check({key: value for key, value in good.items() if key != name})
    assert unset.returncode != 0
    assert name in unset.stderr
    assert brokers.check({**good, name: ""}).returncode != 0


@pytest.mark.parametrize("role", SERVICES)
async def test_a_wrong_password_is_told_at_once(locked: Locked, role: str) -> None:
    """Not as a broker that does not answer; and without saying the password."""
    wrong = msgspec.structs.replace(locked.settings(role), nats_password="not-that-one")
    async with asyncio.timeout(3):
        with pytest.raises(StartError, match=f"does not let {role} in") as told:
            async with buses.connect(wrong, role):
                pass
    assert "not-that-one" not in str(told.value)
