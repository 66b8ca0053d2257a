"""XTTS v2 by coqui-tts: it speaks with the voice of a recording, in 17 languages.

A model speaks one sentence at a time, in a thread of its own; XTTS_INSTANCES models speak side by side.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from queue import SimpleQueue
from threading import Event as Flag
from threading import Lock
from typing import cast

import structlog

from bus_schemas import codes
from services.runtime import threads
from services.runtime.errors import Refused, Sick, StartError, Unavailable
from services.runtime.wav import Sound

from .. import voices
from ..settings import TtsSettings
from ..voices import Voices
from . import Piece
from . import xtts_references as references

VOICES_KEPT = 64
"""Voices whose latents are kept, the latest used; one has about 130 KB."""

Put = Callable[[Sound | Exception | None], None]
"""Takes the pieces as they are made; then what went wrong, or None at a good end."""

log = structlog.get_logger()

try:
    from . import xtts_model
    from .xtts_model import Latents, Model
except (ImportError, OSError) as error:  # OSError: a torchaudio that is built for another torch
    raise StartError(
        f"TTS_ENGINE=xtts cannot import what it needs ({str(error).strip().partition(chr(10))[0]}): install "
        "make extra NAME=xtts in a clone, with torch, torchaudio and torchcodec of one build"
    ) from error


class Xtts:
    """A speaker with a thread for each model; a sentence has one of each to itself, to its end."""

    def __init__(self, catalogue: Voices, models: Sequence[Model]) -> None:
        self._catalogue = catalogue
        self._models = models
        self._languages = models[0].languages
        self.voices = tuple(catalogue.by_name)
        self.languages = tuple(sorted(self._languages))
        self._latents: OrderedDict[str, Latents] = OrderedDict()
        self._listening = Lock()
        self._closed = Flag()
        self._threads = ThreadPoolExecutor(len(models), thread_name_prefix="xtts")
        self._idle: SimpleQueue[Model] = SimpleQueue()
        for model in models:
            self._idle.put(model)

    def warm(self, voice: str) -> None:
        """Listen to every voice, and say a word with every model: the first time is the slowest.

        Raises: StartError; whatever a model raises.
        """
        for name in self._catalogue.by_name:
            self._voice(self._models[0], name)
        for model in self._models:
            for _ in model.speak("ok.", min(self._languages), self._voice(model, voice)):
                break

    async def speak(self, text: str, voice: str, language: str) -> AsyncGenerator[Piece, None]:
        """Speak, each piece as soon as it is made. Raises: Refused; Sick when the GPU failed or hangs."""
        tongue = voices.primary(language) or voices.find(self._catalogue, voice).language
        if tongue not in self._languages:
            raise Refused(codes.LANGUAGE, f"nobody here speaks {language!r}, only {', '.join(sorted(self._languages))}")
        voices.find(self._catalogue, voice)
        loop = asyncio.get_running_loop()
        made: asyncio.Queue[Sound | Exception | None] = asyncio.Queue()
        stop = Flag()

        def put(piece: Sound | Exception | None) -> None:
            loop.call_soon_threadsafe(made.put_nowait, piece)

        try:
            work = self._threads.submit(self._work, text, voice, tongue, put, stop)
        except RuntimeError as error:
            raise Unavailable("the speaker is closing") from error
        try:
            while (piece := await made.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield Piece(piece)
        finally:
            stop.set()
            if not work.cancel():  # it ends within a piece
                await threads.freed(work, "xtts")

    async def probe(self) -> None:
        """It runs in this process: when that is there, it can work."""

    async def close(self) -> None:
        """End the threads, within a piece."""
        self._closed.set()
        await threads.end(self._threads, "xtts")

    def _work(self, text: str, voice: str, language: str, put: Put, stop: Flag) -> None:
        """Runs in a thread, from the voice to the last piece; it ends within a piece of *stop*."""
        failure: Exception | None = None
        model = self._idle.get()  # there is one for each thread
        try:
            if stop.is_set() or self._closed.is_set():
                return
            latents = self._voice(model, voice)
            for part in model.parts(text, language):
                if not self._say(model.speak(part, language, latents), put, stop):
                    return
        except StartError as error:  # a recording that was good at the start, and was changed
            failure = Refused(codes.VOICE, f"the voice {voice!r} cannot be imitated now: {error}")
        except Exception as error:
            failure = Sick(f"the GPU failed: {error}") if xtts_model.is_of_a_gpu(error) else error
        finally:
            self._idle.put(model)
            put(failure)

    def _say(self, pieces: Iterator[Sound], put: Put, stop: Flag) -> bool:
        """Hand out the pieces; False when nobody wants more of them."""
        with closing(cast(Generator[Sound, None, None], pieces)):
            while not (stop.is_set() or self._closed.is_set()):
                piece = next(pieces, None)
                if piece is None:
                    return True
                put(piece)
        return False

    def _voice(self, model: Model, name: str) -> Latents:
        """The latents of a voice, made when its recordings are new. Raises: StartError."""
        paths = voices.recordings(self._catalogue, name)
        recordings = references.content(paths)
        key = references.key(recordings, model.parameters)
        with self._listening:
            if key not in self._latents:
                reference = references.read(recordings, paths)
                for warning in reference.warnings:
                    log.warning("reference_poor", voice=name, warning=warning)
                self._latents[key] = model.listen(reference.sounds)
                while len(self._latents) > VOICES_KEPT:
                    self._latents.popitem(last=False)
            self._latents.move_to_end(key)
            return self._latents[key]


def load(settings: TtsSettings, catalogue: Voices) -> Xtts:
    """Load the models, listen to the voices. Raises: StartError."""
    wanted = settings.xtts
    folder = xtts_model.folder(wanted.xtts_model)
    xtts_model.limit_threads(settings.tts_threads)
    devices = xtts_model.devices(wanted.xtts_device, wanted.xtts_instances)
    speaker = Xtts(catalogue, [xtts_model.load(folder, device, wanted.xtts_stream_tokens) for device in devices])
    try:
        speaker.warm(settings.voice_name)
    except RuntimeError as error:
        raise StartError(
            f"XTTS does not speak on {devices[0]}: {error}; set XTTS_DEVICE=cpu to go without it"
        ) from error
    return speaker
