"""`python -m benchmarks.bus.parts`: what a worker does with a message besides nats-py's part of it, piece by piece.

Each piece is timed alone, in CPU, many times over, and the fastest round counts. Writes results/bus-parts.json.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from functools import partial

from msgspec import Struct
from nats.aio.client import Client

from benchmarks import results
from benchmarks.results import About
from bus_schemas import Event, Sentence, Step, Transcript, Utterance, codec
from services.runtime import log
from services.runtime.account import Account
from services.runtime.alone import Room
from services.runtime.bus import Bus
from services.runtime.limits import Limits
from services.runtime.log import LogSettings
from services.runtime.running import Running
from services.runtime.stage import Handle, follow

from . import chain, loop, voicebus_stage

TIMES, ROUNDS = 2000, 7
STEP = Step(stage="stt", worker="host-123", queue_ms=1.2, service_ms=3.4)
QUESTION, ANSWER = "What time is it in Lisbon now?", "It is half past nine."
EVENTS: dict[str, Event] = {
    "stt": Utterance(wav=chain.recording()),
    "llm": Transcript(text=QUESTION, seconds=5.0),
    "tts": Sentence(n=0, attempt="a1", text=ANSWER, last=True, transcription=QUESTION, reply=ANSWER),
}
HANDLES: dict[str, Handle] = {"stt": voicebus_stage.stt, "llm": voicebus_stage.forgetful, "tts": voicebus_stage.tts}

TEXT = """\
### Where a worker's time goes

What voicebus does with a message besides what nats-py does for every chain: microseconds of CPU, each piece timed alone
by `python -m benchmarks.bus.parts`. In the chain the same work costs more, for the broker, the other stages and the
client share the cores and their caches.

"""


class Parts(Struct, frozen=True):
    """What was measured."""

    about: About
    microseconds: dict[str, dict[str, float]]
    """CPU a message: of each piece, by stage."""


async def limited(limits: Limits[str]) -> None:
    """A wait that has an end, and need not wait."""
    limits.keep("answer", 5)
    limits.drop("answer")


def pieces(stage: str, bus: Bus) -> Iterator[tuple[str, Callable[[], Awaitable[None]]]]:
    """What is done once with each message of *stage*, in its order."""
    event = follow(EVENTS[stage], Utterance(origin=chain.ORIGIN, session="s0", turn="1-17f3"), STEP)
    message, outputs = codec.encode(event), list[Event]()
    account, room, running = Account(bus, stage, "host-123", chain.SLOTS), Room(chain.SLOTS), Running(stage)

    async def read() -> None:
        codec.decode(message.subject, message.payload, message.headers, sequence=7, time_ms=1_790_000_000_000)

    async def place() -> None:
        async with room.enter(alone=False, seconds=60):
            with running.entered(event, 60):
                pass

    async def handle() -> None:
        async with aclosing(HANDLES[stage](event)) as given:
            outputs[:] = [output async for output in given]

    async def write() -> None:
        codec.encode(follow(outputs[0], event, STEP))

    async def count() -> None:
        with account.working(event, 0.001):
            pass
        account.tell(event, "finished")
        account.settled("finished")

    async def report() -> None:
        account.report(event, "finished", 0.001)

    yield "reads the event, and checks it", read
    yield "a place, a cancel that may come, the deadline", place
    yield "the stage, which does nothing", handle
    yield "writes the output, with its trail", write
    yield "the wait for the confirmation has an end", partial(limited, Limits[str](list[str]().append))
    yield "counts, and tells who watches", count
    yield "measures its time, and logs a line", report


async def measured() -> dict[str, dict[str, float]]:
    """Each piece by stage, microseconds."""
    found: dict[str, dict[str, float]] = {}
    for stage in chain.STREAMS:
        for name, piece in pieces(stage, Bus(Client())):
            found.setdefault(name, {})[stage] = min([await _once(piece) for _ in range(ROUNDS)])
    return found


async def _once(piece: Callable[[], Awaitable[None]]) -> float:
    began = time.process_time()
    for _ in range(TIMES):
        await piece()
    return (time.process_time() - began) / TIMES * 1e6


def rows(parts: Parts) -> Iterator[str]:
    """The table of the page."""
    stages = list(chain.STREAMS)
    yield f"| | {' | '.join(stages)} |"
    yield "|---" * (len(stages) + 1) + "|"
    for name, by_stage in parts.microseconds.items():
        yield f"| {name} | {' | '.join(f'{by_stage[stage]:.1f}' for stage in stages)} |"
    sums = [sum(by_stage[stage] for by_stage in parts.microseconds.values()) for stage in stages]
    yield f"| together | {' | '.join(f'{each:.0f}' for each in sums)} |"


def main() -> None:
    """Measure, keep the figures, and show the table."""
    found: dict[str, dict[str, float]] = {}

    async def measure() -> None:
        found.update(await measured())

    with tempfile.TemporaryFile("w") as lines, contextlib.redirect_stderr(lines):
        log.configure(LogSettings(log_format="json"), "bench")
        loop.run(measure())
    parts = Parts(results.about(), found)
    sys.stdout.write("\n".join(rows(parts)) + f"\n{results.write('bus-parts', parts)}\n")


if __name__ == "__main__":
    main()
