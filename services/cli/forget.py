"""`voicebus forget`: erase one session from everything that the broker keeps, and say how much that was."""

import argparse
import asyncio
from collections import Counter

import msgspec

from bus_schemas import BadSubject, Cancel
from services.runtime import bus as buses
from services.runtime import log, settings
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import SettingsError, VoicebusError

from . import console, erase

QUIET_SECONDS = 0.5
"""What a stage had in its hands when the session was cancelled is on the bus by then."""
ROUNDS = 10
NAMES = {
    erase.RECORD: "the record",
    erase.ANSWERS: "answers",
    erase.LETTERS: "dead letters",
    erase.QUEUES: "work queues",
    erase.MEMORY: "memory",
}


class StillTalking(VoicebusError):
    """The session goes on while it is erased."""


def run(words: argparse.Namespace) -> int:
    """Erase one session.

    Raises: VoicebusError.
    """
    log.configure(settings.load(log.LogSettings), "forget")
    console.quiet_on_terminal()
    return asyncio.run(_run(words, settings.load(BusSettings)))


async def _run(words: argparse.Namespace, broker: BusSettings) -> int:
    async with buses.connect(broker, "voicebus-forget") as bus:
        with console.waiting("erasing"):
            erased = await bus.unless_lost(forget(bus, words.origin, words.session))
    if words.json:
        counts = {"origin": words.origin, "session": words.session} | {name: erased[name] for name in NAMES}
        print(msgspec.json.encode(counts).decode())  # noqa: T201 - the command's result
        return 0
    for name, said in NAMES.items():
        print(f"{erased[name]:>6}  {said}")  # noqa: T201 - the command's result
    return 0


async def forget(bus: Bus, origin: str, session: str) -> Counter[str]:
    """Cancel what runs, and erase until nothing more comes; how many messages, by where they were.

    Raises: StillTalking; SettingsError; Unavailable.
    """
    erased = Counter[str]()
    try:
        await bus.tell(Cancel(origin=origin, session=session))
        for _ in range(ROUNDS):
            found = await erase.session(bus, origin, session)
            erased += found
            await asyncio.sleep(QUIET_SECONDS)
            if not found.total():
                await erase.sweep(bus)
                return erased
    except BadSubject as error:
        raise SettingsError(f"--origin or --session: {error}") from error
    raise StillTalking(
        f"{erased.total()} messages were erased, and more come: end session {session}, and run this again"
    )
