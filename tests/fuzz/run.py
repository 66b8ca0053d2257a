"""A run of the fuzzer: broken files and settings read here, frames and messages sent to `voicebus up`."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from random import Random
from urllib.parse import urlsplit

from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus_schemas import codec
from services.cli.client import Client as Asker
from tests.acceptance.pipeline import SCRIPTED, Pipeline, running
from tests.edge.asking import tone
from tests.fuzz import environments, frames, messages, wavs
from tests.fuzz.processes import family
from tests.harness import wait_until

SETTINGS = {**SCRIPTED, "SCRIPTED_TTS_MS": "1", "SCRIPTED_WORDS_PER_SECOND": "0", "LOG_FORMAT": "json"}
PARTS = {"wav": 55, "settings": 15, "frames": 10, "messages": 20}
"""Of a hundred cases."""
BATCH = 40
END_SECONDS = 30.0
"""How long the messages of a batch may take to come to their ends."""
CRASHES = ("handler_crashed", "Traceback", "service_failed", "was never awaited", "never retrieved")
LIBRARY = "assert not self.eof_sent"
"""websockets 16 stumbles over bad frames that come before its answer to the handshake; the socket is closed all the
same, and nothing else is touched."""

Outcomes = dict[str, Counter[str]]


class Figures(Struct, frozen=True):
    """What the cases of each kind came to."""

    seed: int
    outcomes: Outcomes

    def __str__(self) -> str:
        lines = [f"seed {self.seed}, {sum(found.total() for found in self.outcomes.values())} cases"]
        for kind, found in self.outcomes.items():
            lines.append(f"{kind} ({found.total()}): " + ", ".join(f"{n} {what}" for what, n in found.most_common()))
        return "\n".join(lines)


def run(cases: int, seed: int, data: Path) -> Figures:
    """Try so many cases. Raises: AssertionError on the first thing that crashed, hung or was not told its end."""
    chance = Random(seed)
    counts = {kind: cases * part // 100 for kind, part in PARTS.items()}
    outcomes: Outcomes = {
        "wav": Counter(wavs.check(wavs.broken(chance)) for _ in range(counts["wav"])),
        "settings": Counter(environments.check(environments.hostile(chance)) for _ in range(counts["settings"])),
    }
    with running(data, SETTINGS) as pipeline:
        before = family(pipeline.process.pid)
        outcomes |= asyncio.run(_against(pipeline, chance, counts))
        assert family(pipeline.process.pid) == before, "a process has died"
    log = (data / "up.log").read_text()
    crashed = [line for line in log.splitlines() if any(word in line for word in CRASHES) and LIBRARY not in line]
    assert not crashed, crashed[:3]
    return Figures(seed, outcomes)


async def _against(pipeline: Pipeline, chance: Random, counts: dict[str, int]) -> Outcomes:
    """Batches of frames and messages, and after each a good question."""
    outcomes: Outcomes = {"frames": Counter(), "messages": Counter()}
    port = urlsplit(pipeline.url).port or 0
    client = Client()
    await client.connect(pipeline.nats_url)
    try:
        for start in range(0, counts["frames"], BATCH):
            size = min(BATCH, counts["frames"] - start)
            sent = [(frames.request(chance), frames.frames(chance), chance.random() < 0.9) for _ in range(size)]
            outcomes["frames"].update(await asyncio.gather(*(frames.check(port, *case) for case in sent)))
            await _good(pipeline)
        for start in range(0, counts["messages"], BATCH):
            size = min(BATCH, counts["messages"] - start)
            sent_now = [messages.hostile(chance, f"s{start + i}") for i in range(size)]
            outcomes["messages"].update(await _publish(client, sent_now))
            await _good(pipeline)
    finally:
        await client.close()
    return outcomes


async def _publish(client: Client, sent: Iterable[messages.Message]) -> list[str]:
    """Publish them; those that a stream took must each come to an end that its sender hears."""
    jetstream, ends, untold = client.jetstream(), dict[str, str](), set[str]()

    async def keep(message: Msg) -> None:
        event = codec.decode(message.subject, message.data, message.headers)
        ends[event.session] = getattr(event, "code", "") or event.NAME

    heard = [await client.subscribe(f"voice.{name}.fuzz.*", cb=keep) for name in ("speech", "failed")]
    outcomes = []
    for message in sent:
        try:
            taken = await jetstream.publish(message.subject, message.body, headers=message.headers or None, timeout=5)
        except (NatsError, ValueError) as error:
            outcomes.append(f"not taken ({type(error).__name__})")
            continue
        if taken.duplicate or not message.subject.split(".")[3].startswith("s") or ".fuzz." not in message.subject:
            outcomes.append("nobody to tell")
        else:
            untold.add(message.subject.split(".")[3])
    await wait_until(lambda: untold <= ends.keys(), f"all of {sorted(untold)} are told their end", END_SECONDS)
    for subscription in heard:
        await subscription.unsubscribe()
    return outcomes + [ends[session] for session in untold]


async def _good(pipeline: Pipeline) -> None:
    """The next question is answered."""
    async with Asker(pipeline.url, timeout=20) as asker:
        assert (await asker.ask(tone(0.3))).transcription
