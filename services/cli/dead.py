"""`voicebus dead`: the messages that were given up; an operator looks at them, puts them back, or drops them."""

import argparse
import asyncio
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec

from services.runtime import bus as buses
from services.runtime import dead, log, settings
from services.runtime.bus import Bus, BusSettings
from services.runtime.dead import Letter, Wanted
from services.runtime.errors import SettingsError, StartError

from . import console, dead_letters


def run(words: argparse.Namespace) -> int:
    """List, show, requeue or drop.

    Raises: VoicebusError.
    """
    log.configure(settings.load(log.LogSettings), "dead")
    console.quiet_on_terminal()
    return asyncio.run(_run(words, settings.load(BusSettings)))


async def _run(words: argparse.Namespace, broker: BusSettings) -> int:
    if words.action == "drop":
        _must_be_able_to_ask(words)
    async with buses.connect(broker, "voicebus-dead") as bus:
        return await bus.unless_lost(_act(bus, words))


async def _act(bus: Bus, words: argparse.Namespace) -> int:
    match words.action:
        case "list":
            return await _list(bus, words)
        case "show":
            return await _show(bus, words)
        case "requeue":
            from . import dead_requeue  # it waits for answers and joins sound: the others start without

            return await dead_requeue.run(bus, await _numbers(bus, words), words)
        case _:
            return await _drop(bus, await _numbers(bus, words), words)


async def _list(bus: Bus, words: argparse.Namespace) -> int:
    found: list[Letter] = []
    async for letter in _wanted(bus, words):
        if words.json:
            print(dead_letters.line(letter), flush=True)  # noqa: T201 - the command's result
        else:
            found.append(letter)
    if found:
        dead_letters.draw(found)
    elif not words.json:
        console.say("no dead letters" + (" like that" if _filtered(words) else ""))
    return 0


async def _show(bus: Bus, words: argparse.Namespace) -> int:
    letter = await dead.letter(bus, words.number)
    if words.out:
        await asyncio.to_thread(_write, Path(words.out), letter.dead.body)
    if words.json:
        print(dead_letters.line(letter))  # noqa: T201 - the command's result
    else:
        for row in dead_letters.rows(letter):
            console.stdout().print(row)
    return 0


async def _drop(bus: Bus, numbers: list[int], words: argparse.Namespace) -> int:
    if numbers and not words.yes and not await asyncio.to_thread(_sure, len(numbers)):
        console.say("nothing was dropped")
        return 1
    for number in numbers:
        await dead.remove(bus, number)
        dropped = msgspec.json.encode({"number": number, "dropped": True}).decode()
        print(dropped if words.json else f"letter {number} is dropped", flush=True)  # noqa: T201 - the result
    if not numbers:
        console.say("no dead letters like that")
    return 0


async def _numbers(bus: Bus, words: argparse.Namespace) -> list[int]:
    """The letters that are meant: by their numbers, which must be there, or by what they have in common."""
    if words.numbers and (words.all or _filtered(words)):
        raise SettingsError("name letters by their numbers, or by --stage, --code and the like, not by both")
    if words.numbers:
        return [(await dead.letter(bus, number)).number for number in dict.fromkeys(words.numbers)]
    if not words.all and not _filtered(words):
        raise SettingsError("name letters by their numbers, by --stage, --code and the like, or say --all")
    return [letter.number async for letter in _wanted(bus, words)]


def _wanted(bus: Bus, words: argparse.Namespace) -> AsyncGenerator[Letter, None]:
    wanted = Wanted(
        stage=words.stage,
        code=words.code,
        origin=words.origin,
        session=words.session,
        turn=words.turn,
        since=words.since,
    )
    return dead.letters(bus, wanted)


def _filtered(words: argparse.Namespace) -> bool:
    return any((words.stage, words.code, words.origin, words.session, words.turn, words.since))


def _must_be_able_to_ask(words: argparse.Namespace) -> None:
    if not words.yes and not sys.stdin.isatty():
        raise SettingsError("drop deletes for good, and nobody can be asked here: say --yes")


def _sure(count: int) -> bool:
    what = "this letter" if count == 1 else f"these {count} letters"
    console.stderr().print(f"Delete {what} for good? [y/N] ", end="", markup=False)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _write(path: Path, body: bytes) -> None:
    try:
        path.write_bytes(body)
    except OSError as error:
        raise StartError(f"{path} cannot be written ({error.strerror}): name another place with --out") from error
