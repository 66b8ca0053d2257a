"""A turn on record, run again through other engines in this process: the bus takes no part in it."""

import time
from collections.abc import AsyncGenerator, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from bus_schemas import Event, Heard, Sentence, Speech, Step, Transcript, Utterance
from services.llm import memory as memories
from services.llm import stage as llm_stage
from services.llm.memory import Entries, Entry, Memory
from services.llm.settings import LlmSettings
from services.runtime import riff
from services.runtime.wav import HEADER_BYTES, WavLimits
from services.stt import stage as stt_stage
from services.tts import stage as tts_stage

from . import recorded_turns
from .recorded_turns import Turn
from .replay_engines import Engines

V = TypeVar("V", bound=Event)


class Case(Struct, frozen=True):
    """A turn that is to run again."""

    turn: Turn
    wav: bytes
    """What was said."""
    earlier: Sequence[Turn] = ()
    """The turns of its session before it, oldest first: what the model may remember."""


class Side(Struct, frozen=True):
    """One column of the comparison. Times are seconds that an engine worked, without any queue; None: not known."""

    transcription: str = ""
    reply: str = ""
    stt: float | None = None
    llm_first: float | None = None
    """Until the first sentence."""
    llm: float | None = None
    tts_first: float | None = None
    """Until the first piece of the first sentence."""
    tts: float | None = None
    """For all sentences."""
    speech: float | None = None
    """How long the spoken reply is."""

    @property
    def first_audio(self) -> float | None:
        """From the question to the first sound of its answer, were there no queues."""
        parts = (self.stt, self.llm_first, self.tts_first)
        return None if None in parts else sum(part for part in parts if part is not None)


class Replayed(Struct, frozen=True):
    """What came of a turn the second time."""

    side: Side
    """As recorded, but for the stages that ran again."""
    wavs: Sequence[bytes] = ()
    """The pieces that were spoken."""


def recorded(turn: Turn) -> Side:
    """The turn as it was."""
    spoken = recorded_turns.spoken(turn)
    ends = [one.event for one in spoken if isinstance(one.event, Speech) and one.event.end]
    return Side(
        transcription=turn.transcription,
        reply=turn.reply,
        stt=_work("stt", turn.trail),
        llm_first=_work("llm", _trail(sentences(turn))),
        llm=_work("llm", turn.trail),
        tts_first=_work("tts", _trail([one.event for one in spoken])),
        tts=sum(_work("tts", event.trail) or 0.0 for event in ends) if ends else None,
    )


def sentences(turn: Turn) -> list[Sentence]:
    """The sentences that were answered with, in order; those of a turn that fell silent are none."""
    events = [one.event for one in turn.events]
    found = {event.n: event for event in events if isinstance(event, Sentence) and _counts(event, turn)}
    return [found[n] for n in sorted(found)]


async def again(case: Case, side: Side, engines: Engines) -> AsyncGenerator[Replayed, None]:
    """Run the turn, which was as *side* says; after each stage that runs give what there is so far.

    Raises: Refused; Unavailable; whatever an engine raises.
    """
    transcript = next((one.event for one in case.turn.events if isinstance(one.event, Transcript)), None)
    spoken = sentences(case.turn)
    if engines.stt:
        transcript, seconds = await _hear(case, engines)
        side = replace(side, transcription=transcript.text if transcript else "", stt=seconds)
        yield Replayed(side)
    if engines.llm:
        spoken, times = await _answer(case, transcript, engines) if transcript else ([], [0.0])
        reply = spoken[-1].reply if spoken else ""
        side = replace(side, reply=reply, llm_first=times[0], llm=times[-1])
        yield Replayed(side)
    if engines.tts:
        wavs, first, whole = await _speak(case, spoken, engines)
        side = replace(side, tts_first=first, tts=whole, speech=seconds_of(wavs))
        yield Replayed(side, wavs)


def seconds_of(wavs: Sequence[bytes]) -> float:
    """How long the sounds are together."""
    return round(sum(riff.layout(wav).seconds for wav in wavs if len(wav) > HEADER_BYTES), 3)


async def _hear(case: Case, engines: Engines) -> tuple[Transcript | None, float]:
    assert engines.stt
    transcriber, settings = engines.stt
    said = case.turn.utterance
    assert said
    assert isinstance(said.event, Utterance)
    began = time.perf_counter()
    heard = None
    limits = WavLimits(max_seconds=settings.max_utterance_seconds)
    async for event in stt_stage.handle(replace(said.event, wav=case.wav), transcriber=transcriber, limits=limits):
        heard = event if isinstance(event, Transcript) else None
    seconds = time.perf_counter() - began
    return (_of(case.turn, heard) if heard else None), seconds


async def _answer(case: Case, transcript: Transcript, engines: Engines) -> tuple[list[Sentence], list[float]]:
    """The sentences of a reply, and when each was written."""
    assert engines.llm
    model, settings = engines.llm
    memory = Memory(_Shelf(_remembered(case, settings)), turns=settings.memory_turns, seconds=settings.memory_seconds)
    written: list[Sentence] = []
    times: list[float] = []
    began = time.perf_counter()
    async for sentence in llm_stage.handle(transcript, model=model, memory=memory, settings=settings):
        times.append(time.perf_counter() - began)
        written.append(_of(case.turn, replace(sentence, language=sentence.language or transcript.language)))
    return written, times


async def _speak(case: Case, spoken: Sequence[Sentence], engines: Engines) -> tuple[list[bytes], float | None, float]:
    """The pieces, the seconds until the first of them, and those for all."""
    assert engines.tts
    speaker, settings = engines.tts
    wavs: list[bytes] = []
    first = None
    began = time.perf_counter()
    for sentence in spoken:
        async for speech in tts_stage.handle(sentence, speaker=speaker, default_voice=settings.voice_name):
            if first is None and len(speech.wav) > HEADER_BYTES:
                first = time.perf_counter() - began
            wavs.append(speech.wav)
    return wavs, first, time.perf_counter() - began


def _remembered(case: Case, settings: LlmSettings) -> Entries:
    """What llm would have known: the turns before, as they were answered and as far as they were heard."""
    entries: Entries = ()
    for turn in case.earlier:
        if turn.outcome == recorded_turns.ANSWERED and turn.began >= case.turn.began - settings.memory_seconds:
            entries = memories.interrupted(entries, _heard(turn))
            entries += (_entry(turn),)
    return entries


def _entry(turn: Turn) -> Entry:
    count = len(sentences(turn))
    return Entry(turn.turn, turn.run, turn.attempt, turn.transcription, turn.reply, count, "", memories.now())


def _heard(turn: Turn) -> Heard | None:
    said = turn.utterance
    return said.event.heard if said and isinstance(said.event, Utterance) else None


class _Shelf:
    """In place of the bucket: one session, and nothing that anybody else would find."""

    def __init__(self, entries: Entries) -> None:
        self._entries = entries

    async def get(self, key: str) -> KeyValue.Entry:
        if not self._entries:
            raise KeyNotFoundError
        value = msgspec.json.encode(self._entries)
        return KeyValue.Entry("", key, value, revision=1, delta=None, created=None, operation=None)

    async def update(self, key: str, value: bytes, last: int) -> int:
        return last + 1


def _of(turn: Turn, event: V) -> V:
    """The event as one of the turn, for whom it was spoken."""
    voice = turn.utterance.event.voice if turn.utterance else ""
    return replace(event, origin=turn.origin, session=turn.session, turn=turn.turn, voice=event.voice or voice)


def _counts(event: Sentence, turn: Turn) -> bool:
    return (event.run, event.attempt) == (turn.run, turn.attempt)


def _trail(events: Sequence[Event]) -> Sequence[Step]:
    """What was spent until the first of them."""
    return events[0].trail if events else ()


def _work(stage: str, trail: Sequence[Step]) -> float | None:
    return next((step.service_ms / 1000 for step in reversed(trail) if step.stage == stage), None)
