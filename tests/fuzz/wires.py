"""Raw frames on the port of the deployment's own broker, from every role, while good questions are asked and answered.

No client library would write them: header blocks that are none, subjects of any bytes, sizes that lie.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from msgspec import Struct

from services.cli.client import Client as Asker
from services.runtime import bus as buses
from services.runtime import streams
from services.runtime.streams import StreamSettings
from tests.edge.asking import tone
from tests.harness import free_port
from tests.security import locked as brokers
from tests.security.locked import Locked, password
from tests.wire import Wire, dialled, hpub, pub

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("edge", "stt", "llm", "tts")
READY_SECONDS, ANSWER_SECONDS, STOP_SECONDS = 60.0, 30.0, 20.0
BATCH = 50
"""Frames that are sent before the broker is asked whether it has read them."""
PAUSE_SECONDS = 0.1
"""Between two batches of a role: the good questions are to be asked among them, not behind them."""
WORKER = (b"voice.failed.web.", b"voice.dead.web.", b"_R_.", b"_INBOX_operator.")
SUBJECTS = {
    "kiosk": (b"voice.utterance.kiosk.", b"voice.cancel.kiosk."),
    "edge": (
        b"voice.utterance.web.",
        b"voice.utterance.",
        b"voice.cancel.web.",
        b"voice.cancel.",
        b"voicewatch.edge.x.",
    ),
    "stt": (b"voice.transcript.web.", b"voice.transcript.", b"voice.speech.web.", b"voicewatch.stt.x.", *WORKER),
    "llm": (b"voice.sentence.web.", b"voice.sentence.", b"$KV.voice_memory.web.", b"voicewatch.llm.x.", *WORKER),
    "tts": (b"voice.speech.web.", b"voice.speech.", b"voicewatch.tts.x.", *WORKER),
    "observer": (b"$SRV.", b"$SRV.INFO.", b"voicewatch.wanted", b"$JS.API.STREAM.INFO."),
    "operator": (
        b"voice.utterance.web.",
        b"voice.transcript.web.",
        b"voice.sentence.web.",
        b"voice.cancel.web.",
        b"$SRV.",
    ),
}
"""What each role may publish, as far as its last token; what would be an order to JetStream is left out."""
BLOCKS = (b"NATS/1.0", b"NATS/1.0\r\n\r\n", b"NATS/1.0\r\nVoice-Event: {}\r\n\r\n", b"NATS/1.0 503\r\n\r\n", b"NATS/1.")


class Answers(Struct):
    """What became of the good questions."""

    asked: int = 0
    answered: int = 0


def frame(chance: Random, root: bytes) -> bytes:
    """One message on *root*; few are as the protocol wants them."""
    subject, body = root + _token(chance), chance.randbytes(chance.choice((0, 0, 1, 20, 300)))
    made = hpub(subject, _block(chance), body) if chance.random() < 0.5 else pub(subject, body)
    return _broken(chance, made) if chance.random() < 0.002 else made


def _token(chance: Random) -> bytes:
    """The rest of a subject: most have bytes that no event's subject has."""
    if chance.random() < 0.3:
        return b"s%d" % chance.randrange(10_000)
    raw = chance.randbytes(chance.choice((1, 2, 8, 200)))
    return raw.translate(None, b" \t\n.*>\x00") or b"\xff"


def _block(chance: Random) -> bytes:
    block = bytearray(chance.choice(BLOCKS))
    for _ in range(chance.choice((0, 1, 1, 3))):
        place = chance.randrange(len(block) + 1)
        block[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(4))
    return bytes(block) or b"N"


def _broken(chance: Random, made: bytes) -> bytes:
    """A frame whose sizes or words lie: the broker ends the connection."""
    place = chance.randrange(len(made))
    return made[:place] + chance.randbytes(2) + made[place + 1 :]


async def send(locked: Locked, role: str, chance: Random, count: int) -> Counter[str]:
    """Send so many frames as *role*, over as many connections as the broker ends."""
    sent: Counter[str] = Counter()
    while sent["frames"] < count:
        with contextlib.suppress(ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            async with dialled(locked.url, role, password(role)) as wire:
                while sent["frames"] < count:
                    await _batch(wire, role, chance)
                    sent["frames"] += BATCH
                    await asyncio.sleep(PAUSE_SECONDS)
        sent["connections"] += 1
    return sent


async def _batch(wire: Wire, role: str, chance: Random) -> None:
    await wire.send(*(frame(chance, chance.choice(SUBJECTS[role])) for _ in range(BATCH)))


async def ask(url: str, answers: Answers, over: asyncio.Event) -> None:
    """Ask one good question after the other."""
    async with Asker(url, timeout=ANSWER_SECONDS) as asker:
        while not over.is_set():
            answers.asked += 1
            turn = await asker.ask(tone(0.3))
            answers.answered += bool(turn.llama and turn.wav)


async def storm(locked: Locked, url: str, chance: Random, count: int) -> tuple[Answers, Counter[str]]:
    """Frames from all roles at once, while questions are asked."""
    answers, over = Answers(), asyncio.Event()
    asking = asyncio.create_task(ask(url, answers, over))
    each = -(-count // len(SUBJECTS))
    sent = await asyncio.gather(*(send(locked, role, Random(chance.random()), each) for role in SUBJECTS))
    over.set()
    async with asyncio.timeout(ANSWER_SECONDS):
        await asking
    return answers, sum(sent, Counter())


@contextmanager
def services(locked: Locked, folder: Path) -> Iterator[dict[str, int]]:
    """The four services, each under its own user: name and health port. They end as they should when it is over."""
    ports = {name: free_port() for name in SERVICES}
    with ExitStack() as stack:
        started = {name: _service(stack, locked, folder, name, port) for name, port in ports.items()}
        yield ports
        assert {name: process.poll() for name, process in started.items()} == dict.fromkeys(SERVICES), "a service ended"
        for process in started.values():
            process.send_signal(signal.SIGTERM)
        assert [process.wait(STOP_SECONDS) for process in started.values()] == [0] * len(SERVICES)


def _service(stack: ExitStack, locked: Locked, folder: Path, name: str, port: int) -> "subprocess.Popen[bytes]":
    environ = {
        "PATH": os.environ["PATH"],
        "NATS_URL": locked.url,
        "NATS_USER": name,
        "NATS_PASSWORD": password(name),
        "PORT" if name == "edge" else "HEALTH_PORT": str(port),
        "STT_ENGINE": "scripted",
        "LLM_ENGINE": "scripted",
        "TTS_ENGINE": "scripted",
        "SCRIPTED_REPLY": "One. Two.",
        "SCRIPTED_WORDS_PER_SECOND": "0",
        "VOICES_DIR": str(ROOT / "audios"),
    }
    log = stack.enter_context((folder / f"{name}.log").open("wb"))
    process = subprocess.Popen([sys.executable, "-m", f"services.{name}"], cwd=ROOT, env=environ, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process


def ready(port: int) -> bool:
    """What a service's `/readyz` says."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5).close()
    except OSError:
        return False
    return True


async def until_ready(ports: dict[str, int]) -> None:
    """Wait until every service is ready."""
    async with asyncio.timeout(READY_SECONDS):
        while not all([await asyncio.to_thread(ready, port) for port in ports.values()]):  # noqa: ASYNC110  # HTTP
            await asyncio.sleep(0.2)


async def provide(locked: Locked) -> None:
    """Make the streams, as `setup`."""
    async with buses.connect(locked.settings("setup"), "setup") as bus:
        await streams.setup(bus.jetstream, StreamSettings())


async def stormed(locked: Locked, ports: dict[str, int], seed: int, count: int) -> tuple[Answers, Counter[str]]:
    """Frames and questions, from the moment when all are ready to one when all are."""
    await until_ready(ports)
    told = await storm(locked, f"ws://127.0.0.1:{ports['edge']}/ws", Random(seed), count)
    await until_ready(ports)
    return told


def main(count: int, seed: int) -> str:
    """Send *count* frames. Raises: AssertionError for a good question without an answer, or a service that is hurt."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with brokers.running(folder) as locked:
            asyncio.run(provide(locked))
            with services(locked, folder) as ports:
                answers, sent = asyncio.run(stormed(locked, ports, seed, count))
        crashed = [path.name for path in folder.glob("*.log") if b"Traceback" in path.read_bytes()]
    assert answers.asked == answers.answered > 0, f"{answers.asked} asked, {answers.answered} answered"
    assert not crashed, crashed
    return (
        f"raw frames (seed {seed}): {sent['frames']} over {sent['connections']} connections; "
        f"{answers.asked} good questions asked, {answers.answered} answered"
    )
