"""Nobody speaks through the broker: its answers, and those of the services, reach only who asked.

JetStream answers wherever a request says, and checks no permission then. So whoever may ask it anything could have the
answer to a harmless question arrive as another's cancel, question or memory.
"""

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from services.runtime import announce
from services.runtime.announce import Card, Figures
from tests.harness import heard
from tests.security.locked import Locked, user

REQUESTS = {
    "observer": (
        "$JS.API.INFO",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.INFO.VOICE_ANSWER",
        "$JS.API.STREAM.INFO.KV_voice_memory",
        "$JS.API.STREAM.INFO.NOBODY",
        "$JS.API.CONSUMER.NAMES.VOICE_UTTERANCE",
        "$JS.API.CONSUMER.INFO.VOICE_UTTERANCE.stt",
        "voicejs.STREAM.INFO.VOICE_ANSWER",
        "$SRV.PING",
        "$SRV.INFO.voicebus-stt",
        "$SRV.STATS",
        "voicewatch.wanted",
    ),
    "setup": (
        "$JS.API.STREAM.INFO.VOICE_ANSWER",
        "$JS.API.CONSUMER.INFO.VOICE_UTTERANCE.stt",
        "$JS.API.STREAM.CREATE.VOICE_ANSWER",
        "$JS.API.STREAM.CREATE.KV_voice_memory",
        "$JS.API.CONSUMER.DURABLE.CREATE.VOICE_UTTERANCE.stt",
        "voicejs.STREAM.CREATE.VOICE_ANSWER",
    ),
    "kiosk": ("voice.utterance.kiosk.deputy", "voice.cancel.kiosk.deputy"),
}
VICTIMS = (
    "voice.cancel.web.victim",
    "voice.utterance.web.victim",
    "voice.transcript.web.victim",
    "voice.sentence.web.victim",
    "voice.speech.web.victim",
    "voice.failed.web.victim",
    "voice.dead.web.victim",
    "$KV.voice_memory.web.victim",
    "voicewatch.stt.web.victim",
    "voicewatch.wanted",
    "voiceoffer.tts",
    "_INBOX_llm.victim",
    "_INBOX_edge.victim",
    "$JS.API.STREAM.DELETE.VOICE_ANSWER",
    "$JS.API.STREAM.PURGE.VOICE_ANSWER",
    "$JS.ACK.VOICE_UTTERANCE.stt.1.1.1.1.0",
)
CARD = Card("voicebus-stt", "stt", "voice.utterance.*.*", "stt", {})


@pytest.mark.parametrize("role", REQUESTS)
async def test_an_answer_that_is_asked_for_in_anothers_name_reaches_nobody(locked: Locked, role: str) -> None:
    """Each request that the role may make, with each victim as its reply subject."""
    async with (
        user(locked, "operator") as (operator, _),
        user(locked, "stt") as (stt, forbidden),
        user(locked, role) as (client, _),
        announce.announced(stt, CARD, lambda: Figures(0, 0, 0.0, {})),
    ):
        arrived: list[str] = []

        async def keep(message: Msg) -> None:
            arrived.append(message.subject)

        listening = [await operator.subscribe(subject, cb=keep) for subject in ("voice.*.*.*", "voicewatch.*.*.*")]
        before = await stored(operator)
        for subject in REQUESTS[role]:
            for victim in VICTIMS:
                await client.publish(subject, b"", reply=victim)
        for connection in (client, stt, operator, client, operator):
            await heard(connection)
        after = await stored(operator)
        for subscription in listening:
            await subscription.unsubscribe()

    assert [subject for subject in arrived if "victim" in subject] == []
    assert {name: count for name, count in after.items() if count != before[name] and name != "VOICE_UTTERANCE"} == {}
    assert not [text for text in forbidden if "victim" in text]


async def stored(operator: Client) -> dict[str, int]:
    """How much each stream has taken; all of them are there."""
    infos = await operator.jetstream().streams_info()
    return {str(info.config.name): int(info.state.last_seq) for info in infos}
