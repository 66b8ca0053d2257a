"""Text that our codec wrote is read by the JavaScript client as it was, on every way through a real broker."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from bus_schemas import Event, Sentence, Speech
from services.runtime.bus import Bus, BusSettings
from services.runtime.streams import ANSWER, SENTENCE

RUN_SECONDS = 30
WAYS = ("core", "direct get", "stream get", "pull")
TEXTS = (
    "Olá, você não está só — “ação”",
    "👍 👩‍👩‍👧 🇧🇷",
    "a\0b\u2028c\x85d\r\ne\x7f ",
    "ação e reação " * 715,
    "á" * 10_000,
    "👋" * 5_000,
)
IN_A_BODY_ONLY = "👋" * 10_000
"""Escaped in a header it would be more than the broker takes."""


async def read(javascript: Path, node: str, url: str, stream: str, subject: str, events: list[Event], bus: Bus) -> str:
    """What the JavaScript program printed of *events*."""
    program = Path(__file__).parent / "every_way.mjs"
    await asyncio.to_thread(shutil.copy, program, javascript)
    command = [node, program.name, url, stream, subject, str(len(events))]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=javascript, stdout=pipe)
    try:
        async with asyncio.timeout(RUN_SECONDS):
            assert process.stdout is not None
            assert await process.stdout.readline() == b"listening\n"
            for event in events:
                await bus.publish(event)
            return (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def replies(output: str, way: str) -> list[str]:
    """The replies that arrived one way, in order."""
    lines = (json.loads(line) for line in output.split("\n") if line)
    return [line["reply"] for line in lines if line["way"] == way]


@pytest.mark.parametrize(
    ("stream", "subject", "texts"),
    [(ANSWER, "voice.speech.o.s", TEXTS), (SENTENCE, "voice.sentence.o.s", (*TEXTS, IN_A_BODY_ONLY))],
    ids=["in a header", "in a body"],
)
async def test_text_reaches_javascript_as_it_was_written(
    bus: Bus, bus_settings: BusSettings, node: str, javascript: Path, stream: str, subject: str, texts: tuple[str, ...]
) -> None:
    """Accents, emoji, control characters, 10,000 characters; by subscription, direct get, stream get and pull."""
    events: list[Event] = []
    for n, text in enumerate(texts):
        if stream == ANSWER:
            events.append(Speech(origin="o", session="s", turn="t", n=n, take="k", reply=text, wav=b"RIFF"))
        else:
            events.append(Sentence(origin="o", session="s", turn="t", n=n, text="x", reply=text))
    output = await read(javascript, node, bus_settings.nats_url, stream, subject, events, bus)
    assert {way: replies(output, way) == list(texts) for way in WAYS} == dict.fromkeys(WAYS, True)
