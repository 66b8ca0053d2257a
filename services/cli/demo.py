"""`voicebus demo`: run everything, ask the shipped question, show the answer."""

import argparse
import asyncio
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bus_schemas import frames
from services.runtime import log, settings
from services.runtime.errors import StartError

from . import console, everything, folder, log_files, ports, reply_files, signals, stack
from .children import Relay
from .client import Client
from .settings import CliSettings

QUESTION = Path(__file__).parents[2] / "audios" / "question.wav"
ASK_SECONDS = 300.0
"""A model's first answer can be slow on a small machine."""
INTERRUPTED = 130


def run(words: argparse.Namespace) -> int:
    """Ask, print one JSON line, write the reply; on a terminal stay up until a signal.

    Raises: VoicebusError.
    """
    wanted = everything.load_own()
    log.configure(wanted.log, "demo")
    console.quiet_on_terminal()
    answered = asyncio.Event()
    with ExitStack() as stack_:
        plan = stack_.enter_context(_planned(wanted))
        try:
            asyncio.run(signals.until_stopped(_demo(plan, wanted.voicebus_key, answered, stay=_stays(wanted))))
        except signals.Stopped:
            return 0 if answered.is_set() else INTERRUPTED
    return 0


def _stays(wanted: CliSettings) -> bool:
    return sys.stdout.isatty() and not wanted.demo_once


@contextmanager
def _planned(wanted: CliSettings) -> Iterator[stack.Plan]:
    port = _port("PORT", wanted.port, wanted.host)
    with ExitStack() as opened:
        data = opened.enter_context(_folder(Path(wanted.voicebus_data), port))
        relay: Relay = console.relay
        if not wanted.log.debug_mode:
            relay = opened.enter_context(log_files.written(data / "logs", stack.SERVICES))
        yield stack.Plan(
            host=ports.reachable(wanted.host),
            port=port,
            nats_port=0 if wanted.nats_url else _port("NATS_PORT", wanted.nats_port),
            nats_url=wanted.nats_url,
            data=data,
            start_seconds=wanted.start_timeout,
            stop_seconds=wanted.stop_timeout,
            cores=wanted.cores,
            tls=bool(wanted.tls_cert),
            relay=relay,
        )


def _port(name: str, port: int, host: str = ports.LOOPBACK) -> int:
    """The port of a setting; when nobody chose it and it is taken, a free one."""
    if settings.environment().get(name) or not port or not ports.taken(port, host):
        return ports.claim(name, port, host)
    other = ports.free()
    console.say(f"port {port} is taken; the demo takes {other} ({name})")
    return other


@contextmanager
def _folder(wanted: Path, port: int) -> Iterator[Path]:
    with ExitStack() as held:
        try:
            data = held.enter_context(folder.held(wanted))
        except folder.InUse:
            data = held.enter_context(folder.held(wanted / f"demo-{port}"))
            console.say(f"another voicebus keeps its data in {wanted}; the demo takes {data}")
        yield data


async def _demo(plan: stack.Plan, key: str, answered: asyncio.Event, *, stay: bool) -> None:
    reply = reply_files.choose("", 1)[0]
    question = await asyncio.to_thread(_question)
    async with stack.running(plan):
        async with Client(plan.url, key=key, timeout=ASK_SECONDS) as client:
            with console.waiting("asking a question, waiting for the answer"):
                turn = await client.ask(question)
        await asyncio.to_thread(reply_files.write, reply, turn.wav)
        print(frames.encode(frames.Answer(turn.transcription, turn.llama)), flush=True)  # noqa: T201 - the result
        answered.set()
        console.say(f"The question was {_shown(QUESTION)}; the spoken answer is in {reply.resolve()}")
        if stay:
            console.say(_how_to_talk(plan))
            await asyncio.Event().wait()


def _how_to_talk(plan: stack.Plan) -> str:
    question = _shown(QUESTION.with_name("pergunta.wav"))
    return (
        f"Talk to it: open {plan.page} in a browser, or\n"
        f"`voicebus say --url {plan.url} {question}`, or any WAV file of yours;\n"
        f"a program sends its WAV to {plan.url} as one binary frame. Ctrl-C stops it."
    )


def _question() -> bytes:
    try:
        return QUESTION.read_bytes()
    except OSError as error:
        raise StartError(
            f"the demo's question {QUESTION} cannot be read ({error.strerror}): run it from a clone"
        ) from error


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
