"""`voicebus up`: the whole pipeline on this machine, until it is told to stop."""

import argparse
import asyncio
from pathlib import Path

from services.runtime import log

from . import console, everything, folder, ports, signals, stack
from .settings import CliSettings


def run(words: argparse.Namespace) -> int:
    """Start everything, say one line when it is ready, stop everything at a signal.

    Raises: VoicebusError.
    """
    settings = everything.load_own()
    log.configure(settings.log, "up")
    console.quiet_on_terminal()
    with folder.held(Path(settings.voicebus_data)) as data:
        try:
            asyncio.run(signals.until_stopped(_up(plan(settings, data))))
        except signals.Stopped:
            return 0
    return 0


def plan(settings: CliSettings, data: Path) -> stack.Plan:
    """Where to run, on ports that are free.

    Raises: StartError for a port that is not.
    """
    return stack.Plan(
        host=ports.reachable(settings.host),
        port=ports.claim("PORT", settings.port, settings.host),
        nats_port=0 if settings.nats_url else ports.claim("NATS_PORT", settings.nats_port),
        nats_url=settings.nats_url,
        data=data,
        start_seconds=settings.start_timeout,
        stop_seconds=settings.stop_timeout,
        cores=settings.cores,
        tls=bool(settings.tls_cert),
    )


async def _up(plan: stack.Plan) -> None:
    async with stack.running(plan):
        print(ready_line(plan), flush=True)  # noqa: T201 - the command's result
        await asyncio.Event().wait()


def ready_line(plan: stack.Plan) -> str:
    """How to talk to what runs."""
    return (
        f"ready on {plan.url}: open {plan.page} in a browser, or try "
        f"`voicebus say --url {plan.url} audios/question.wav`; Ctrl-C stops it"
    )
