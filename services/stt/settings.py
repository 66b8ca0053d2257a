"""The settings of speech to text."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from services.runtime.serve import RuntimeSettings
from services.runtime.settings import Positive, Seconds
from services.runtime.shares import ShareSettings

Count = Annotated[int, Meta(ge=0)]
Devices = Annotated[str, Meta(pattern=r"\A[0-9]+( *, *[0-9]+)*\Z")]
Languages = Annotated[str, Meta(pattern=r"\A(all|[a-z]{2,3}( *, *[a-z]{2,3})*)\Z")]


class WhisperSettings(Struct, frozen=True):
    """How Whisper runs."""

    whisper_model: str = "base"
    """A name (`base`, `small`, `large-v3`), a folder with a CTranslate2 model, or a hub id. `base` comes from PyPI
    packages where they are installed; every other name is downloaded from a model hub at the first start."""
    whisper_device: Literal["cpu", "cuda", "auto"] = "cpu"
    """`auto` takes a GPU where there is one."""
    whisper_devices: Devices = "0"
    """Which GPUs, by their numbers with commas: the model is on each, and STT_CONCURRENCY passes run on each."""
    whisper_compute_type: str = ""
    """A CTranslate2 type such as `int8`, `float16`, `int8_float16`; empty: int8 on a CPU, float16 on a GPU."""
    whisper_beam: Count = 0
    """Beams of the search; 0: 1 on a CPU, 5 on a GPU."""
    whisper_threads: Positive = 1
    """CPU threads of one transcription; STT_CONCURRENCY of them run side by side."""
    whisper_encoder_threads: Positive = 2
    """CPU threads of the encoder while one utterance is alone in its process. More than WHISPER_THREADS take a second
    copy of the model: 120 MB for `base`."""
    whisper_batch: Count = 0
    """How many windows that wait share one pass when a thread becomes free; nothing waits for company. One process
    holds this many utterances for each of STT_CONCURRENCY. 0: 1 on a CPU; on a GPU what its free memory has
    room for, 16 at most."""
    whisper_languages: Languages = "en,pt"
    """The languages that detection may choose among, ISO 639-1 codes with commas; `all`: every one the model knows.
    A requester may name any language that the model knows."""
    whisper_full_window: bool | None = None
    """Show Whisper 30 s always, not the shortest window that is safe (4 to 5 times the CPU time); empty: on a GPU."""


class SttSettings(Struct, frozen=True):
    """What the stt service reads."""

    runtime: RuntimeSettings = RuntimeSettings()
    """What every service needs."""
    share: ShareSettings = ShareSettings()
    """What one origin may have while others wait."""
    stt_engine: Literal["", "faster-whisper", "scripted"] = ""
    """Empty: faster-whisper. `scripted` hears SCRIPTED_TRANSCRIPT in every sound that is not silent."""
    stt_concurrency: Positive = 2
    """Passes of the model at once in one process."""
    max_utterance_seconds: Seconds = 120.0
    """The longest utterance that is taken."""
    scripted_transcript: str = "What is the capital of France?"
    """What the scripted transcriber hears; {samples} is the length of the sound, in samples of 16 kHz."""
    scripted_stt_ms: Count = 0
    """How long the scripted transcriber takes."""
    whisper: WhisperSettings = WhisperSettings()
    """How Whisper runs."""


def engine(settings: SttSettings) -> tuple[Literal["faster-whisper", "scripted"], str]:
    """The engine in force, and why it is this one."""
    if settings.stt_engine:
        return settings.stt_engine, f"STT_ENGINE={settings.stt_engine}"
    return "faster-whisper", "STT_ENGINE is unset"


def runs(settings: SttSettings) -> dict[str, str]:
    """What a worker says that it runs."""
    name, _ = engine(settings)
    whisper = settings.whisper
    return {"engine": name} | (
        {} if name == "scripted" else {"model": whisper.whisper_model, "device": whisper.whisper_device}
    )


def indexes(settings: WhisperSettings) -> list[int]:
    """The numbers of the GPUs that the model is on."""
    return [int(number) for number in settings.whisper_devices.split(",")]
