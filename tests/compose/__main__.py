"""`python -m tests.compose`: the CPU stack of docker-compose.yml, with one broker and with three; 1 when it fails."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

from services.cli.dial import NoAnswer

from . import engine, questions, stand_ins
from .programs import FailedError
from .stack import CLUSTER, IMAGES, Stack

SEVERAL = 3
"""Questions at once while something is killed."""
MID_TURN_SECONDS = 0.6
"""After so long the questions are in stt: a turn takes more than twice of it."""
REDELIVERED_SECONDS = 3.0
"""A dead worker's questions are given to another ACK_WAIT (6 s) after its last beat, which came every 2 s."""
MANY = 6
ROUNDS = 3


def say(text: str) -> None:
    """Tell the person who waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


@asynccontextmanager
async def step(name: str) -> AsyncIterator[list[str]]:
    """A line with how long it took, and what is put into the list."""
    began, notes = time.monotonic(), list[str]()
    yield notes
    say(f"{name:<42} {time.monotonic() - began:7.1f} s  {'; '.join(notes)}")


async def trial() -> None:
    """All of it, in order. Raises: FailedError, NoAnswer."""
    async with step("find or install the engine") as notes:
        used = await engine.find()
        notes.append(" ".join((used.program, used.compose[-1].rpartition("/")[2])))
    if used.program == "podman":
        async with step("base images") as notes:
            notes.append(await stand_ins.ensure(used))
    async with Stack(used) as stack:
        for service in IMAGES:
            async with step(f"build {service}"):
                await stack.build(service)
        await life(stack, lived)
    async with Stack(used, CLUSTER) as stack:
        await life(stack, survived)


async def life(stack: Stack, between: Callable[[Stack], Awaitable[None]]) -> None:
    """From its up to its down, with what is tried between them. Raises: FailedError, NoAnswer."""
    try:
        async with step("up, until edge, stt, llm and tts are ready"):
            await stack.up()
            for service in IMAGES:
                await stack.ready(service)
        await between(stack)
    except BaseException:
        say(await stack.logs())
        raise
    async with step("down, with the volumes"):
        await stack.down()
    if left := await stack.left():
        raise FailedError(f"`down -v` left {', '.join(left)}")


async def asked(stack: Stack) -> None:
    """One question, alone."""
    async with step("a spoken question through the published port") as notes:
        turn = await questions.ask(stack.port)
        notes.append(f"{turn.transcription!r}: {turn.llama!r}")


async def lived(stack: Stack) -> None:
    """One broker: parts of the stack die, and stt grows."""
    async with step("the version in an image") as notes:
        notes.append(await stack.version("edge"))
        if not notes[0].removeprefix("voicebus ")[:1].isdecimal():
            raise FailedError(f"`voicebus --version` says {notes[0]!r} in an image")
    await asked(stack)
    for service in ("stt", "nats"):
        async with step(f"{service} killed mid-turn, {SEVERAL} asked") as notes:
            notes += await killed(stack, service)
    async with step("scale stt to 2"):
        await stack.scale("stt", 2)
        await stack.ready("stt")
    async with step(f"{MANY} asked at once") as notes:
        notes.append(await shared(stack))


async def survived(stack: Stack) -> None:
    """Three brokers: one of them dies, and stays dead."""
    await asked(stack)
    async with step("nats-2 killed, of three"):
        await stack.kill("nats-2")
    await asked(stack)


async def killed(stack: Stack, service: str) -> list[str]:
    """Kill a container's process while turns are under way; every one must be answered. Raises: FailedError."""
    async with asyncio.TaskGroup() as group:
        asking = group.create_task(questions.ask_many(stack.port, SEVERAL))
        await asyncio.sleep(MID_TURN_SECONDS)
        if asking.done():
            raise FailedError(f"all were answered before {service} could be killed: ask more of them")
        container, process = await stack.kill(service)
        back = await stack.back(container, process)
    turns = asking.result()
    waited = questions.longest_wait(turns, "stt")
    if service == "stt" and waited < REDELIVERED_SECONDS:
        raise FailedError(
            f"no question waited for another worker (at most {waited:.1f} s): stt was not killed mid-turn"
        )
    return [f"all {len(turns)} answered", f"started again by {back}", f"the longest wait for stt {waited:.1f} s"]


async def shared(stack: Stack) -> str:
    """Ask many at once until both workers of stt have had some. Raises: FailedError."""
    seen: set[str] = set()
    for tried in range(1, ROUNDS + 1):
        seen |= questions.workers(await questions.ask_many(stack.port, MANY), "stt")
        if len(seen) == 2:
            return f"all answered; both workers had some, in {tried} round{'s' if tried > 1 else ''}"
    raise FailedError(f"only {seen} worked in {ROUNDS} rounds, of two workers of stt")


def main() -> int:
    """Run it, and say in a sentence what failed."""
    began, failed = time.monotonic(), list[str]()
    try:
        asyncio.run(trial())
    except* (FailedError, NoAnswer) as problems:
        failed += [str(problem) for problem in single(problems)]
    seconds = time.monotonic() - began
    if failed:
        say(f"FAILED, after {seconds:.0f} s: {'; '.join(failed)}")
        return 1
    say(f"the stack did all of it, in {seconds:.0f} s")
    return 0


def single(problems: BaseExceptionGroup[Exception]) -> Iterator[Exception]:
    """The problems of a group and of the groups in it."""
    for problem in problems.exceptions:
        if isinstance(problem, BaseExceptionGroup):
            yield from single(problem)
        else:
            yield problem


if __name__ == "__main__":
    sys.exit(main())
