"""A stage of voicebus whose engine does nothing: `python -m benchmarks.bus.voicebus_stage STAGE`.

All else is as shipped: settings, logs, health page, connection, worker, codec, trail, metrics. `BENCH_MEMORY=1` gives
llm its shipped stage, with the memory of each conversation, and a model that says one sentence.
"""

import os
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from bus_schemas import Event, Sentence, Speech, Transcript, Utterance, names
from services.llm import stage as llm
from services.llm.engines import Message
from services.llm.memory import Memory
from services.llm.settings import LlmSettings
from services.runtime import serve, streams
from services.runtime.bus import Bus
from services.runtime.stage import Handle, Stage

from . import chain

SPEECH = chain.recording()


async def stt(utterance: Utterance) -> AsyncGenerator[Event, None]:
    """Always the same question."""
    yield Transcript(text="What time is it in Lisbon now?", seconds=5.0)


async def forgetful(transcript: Transcript) -> AsyncGenerator[Event, None]:
    """Always the same answer."""
    text = "It is half past nine."
    yield Sentence(n=0, attempt=names.fresh(), text=text, last=True, transcription=transcript.text, reply=text)


async def tts(sentence: Sentence) -> AsyncGenerator[Event, None]:
    """Always the same recording."""
    yield Speech(
        n=sentence.n,
        take=names.fresh(),
        end=True,
        last=sentence.last,
        text=sentence.text,
        transcription=sentence.transcription,
        reply=sentence.reply,
        wav=SPEECH,
    )


class Parrot:
    """A language model that says one sentence."""

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """Whatever was said."""
        yield "It is half past nine."

    async def probe(self) -> None:
        """It always works."""

    async def close(self) -> None:
        """Nothing is open."""


async def handler(name: str, wanted: LlmSettings, bus: Bus) -> Handle:
    """What a stage does with an event."""
    if name == "llm" and os.environ.get("BENCH_MEMORY"):
        bucket = await bus.jetstream.key_value(streams.MEMORY)
        memory = Memory(bucket, turns=wanted.memory_turns, seconds=wanted.memory_seconds)
        return partial(llm.handle, model=Parrot(), memory=memory, settings=wanted)
    stages: dict[str, Handle] = {"stt": stt, "llm": forgetful, "tts": tts}
    return stages[name]


async def ready() -> None:
    """It can always work."""


@asynccontextmanager
async def open_stage(name: str, wanted: LlmSettings, bus: Bus) -> AsyncIterator[Stage]:
    """The stage."""
    handle = await handler(name, wanted, bus)
    yield Stage(name=name, stream=chain.STREAMS[name], handle=handle, credit=chain.SLOTS, probe=ready)


if __name__ == "__main__":
    sys.exit(serve.main(sys.argv[1], LlmSettings, partial(open_stage, sys.argv[1])))
