"""The embedded speaker: Piper and Kokoro on the CPU, chosen by voice and language."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

import structlog

from services.runtime import threads
from services.runtime.errors import StartError

from .. import voices
from ..settings import TtsSettings
from ..voices import Voices
from . import Piece

try:
    from .kokoro import Kokoro
    from .onnx import Stop
    from .piper import Piper
except ModuleNotFoundError as error:
    raise StartError(
        f"TTS_ENGINE=embedded needs the package of {error.name!r}, which is not installed: `make setup` brings it"
    ) from error

log = structlog.get_logger()

P = ParamSpec("P")
R = TypeVar("R")


class Preset(Protocol):
    """One voice of one engine in one language. It blocks: it is called in a thread."""

    def parts(self, text: str) -> list[str]:
        """Cut a text into what is spoken at one go."""
        ...

    def pieces(self, part: str, stop: Stop) -> Iterator[Piece]:
        """Speak one part, each piece when it is asked for; *stop* may end it with any error."""
        ...


Presets = Mapping[tuple[str, str], Preset]
"""By preset and language: `("kokoro/jm_kumo", "pt")`."""


class Embedded:
    """A speaker with as many threads as sentences it may speak at once."""

    def __init__(self, catalogue: Voices, presets: Presets, concurrency: int) -> None:
        self._catalogue = catalogue
        self._presets = presets
        self.voices = tuple(name for name, voice in catalogue.by_name.items() if voice.embedded)
        self.languages = tuple(sorted({language for _, language in presets}))
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="tts")

    async def speak(self, text: str, voice: str, language: str) -> AsyncGenerator[Piece, None]:
        """Speak part by part. Raises: Refused."""
        cast = voices.cast(self._catalogue, voice, language)
        if cast.name != voice:
            log.info("voice_substituted", wanted=voice, voice=cast.name, language=cast.language)
        preset = self._presets[cast.preset, cast.language]
        stop = Stop()
        try:
            parts = await self._run(stop, preset.parts, text)
            for number, part in enumerate(parts, start=1):
                pieces = preset.pieces(part, stop)
                while (piece := await self._run(stop, next, pieces, None)) is not None:
                    yield Piece(piece.sound, end=piece.end and number == len(parts))
        finally:
            stop.set()

    async def probe(self) -> None:
        """What is loaded can speak."""

    async def close(self) -> None:
        """End the threads; whoever closes has closed the generators before."""
        await threads.end(self._pool, "embedded", cancel_futures=True)

    async def _run(self, stop: Stop, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run *work* in a thread; who is cancelled meanwhile leaves with the thread free again. Raises: Sick."""
        job = self._pool.submit(work, *args, **kwargs)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            stop.set()
            if not job.cancel():
                await threads.freed(job, "embedded")
            raise


def load(settings: TtsSettings, catalogue: Voices) -> Embedded:
    """Load every preset of the catalogue, and let each engine say a word: an engine's first run is its slowest.

    Raises: StartError.
    """
    if not catalogue.by_name[settings.voice_name].embedded:
        raise StartError(
            f"VOICE_NAME={settings.voice_name} is only a recording, and the embedded engine cannot clone: "
            f"give it presets in {catalogue.folder / voices.CATALOGUE}, as audios/README.md shows"
        )
    presets = _presets(catalogue, settings.tts_threads)
    for preset in {type(preset): preset for preset in presets.values()}.values():
        for part in preset.parts("OK."):
            list(preset.pieces(part, Stop()))
    return Embedded(catalogue, presets, settings.tts_concurrency)


def _presets(catalogue: Voices, threads: int) -> Presets:
    found: dict[tuple[str, str], Preset] = {}
    kokoro: Kokoro | None = None
    wanted = {(preset, tongue) for voice in catalogue.by_name.values() for tongue, preset in voice.embedded.items()}
    for preset, language in sorted(wanted):
        engine, _, name = preset.partition("/")
        if engine == "piper":
            found[preset, language] = Piper(name, language, catalogue.folder, threads)
        else:
            kokoro = kokoro or Kokoro(threads)
            found[preset, language] = kokoro.voice(name, language)
    return found
