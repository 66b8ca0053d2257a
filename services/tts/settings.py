"""The settings of tts."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from services.runtime.serve import RuntimeSettings
from services.runtime.settings import Positive

Milliseconds = Annotated[int, Meta(ge=0)]
WordsPerSecond = Annotated[float, Meta(gt=0, le=100)]


class XttsSettings(Struct, frozen=True):
    """How XTTS runs."""

    coqui_tos_agreed: bool = False
    """Needed by xtts, 1: you agree to the Coqui Public Model License of its weights, which allows only non-commercial
    use of the model and of what it says."""
    xtts_model: str = ""
    """A folder with config.json, model.pth and vocab.json, or a name that coqui-tts knows. Empty: XTTS v2, from
    coqui-tts's own cache, downloaded at the first start."""
    xtts_device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one; of several, each in turn."""
    xtts_instances: Positive = 1
    """Models that are loaded, and so sentences spoken at once: one model speaks one sentence at a time."""
    xtts_stream_tokens: Positive = 20
    """Audio tokens of one piece, about 46 ms each: fewer are heard earlier and cost more work."""


class TtsSettings(Struct, frozen=True):
    """What tts reads."""

    tts_engine: Literal["", "embedded", "scripted", "xtts"] = ""
    """Who speaks: embedded (Piper and Kokoro, on the CPU), xtts (with the voices of the recordings) or scripted (tones,
    for tests). Empty: embedded."""
    voice_name: str = "man"
    """The voice of who asks for none: a name of voices.toml."""
    voices_dir: str = "audios"
    """The folder with voices.toml and the recordings that it names."""
    tts_concurrency: Positive = 2
    """How many sentences are spoken at once; of xtts it is XTTS_INSTANCES."""
    tts_threads: Positive = 2
    """Threads that one embedded model, or all of XTTS on a CPU, may compute on; they never spin."""
    scripted_tts_words_per_second: WordsPerSecond = 2.5
    """How fast the scripted engine speaks: a tone of this many words a second."""
    scripted_tts_ms: Milliseconds = 50
    """How long the scripted engine works on one sentence, milliseconds."""
    xtts: XttsSettings = XttsSettings()
    """How XTTS runs."""
    runtime: RuntimeSettings = RuntimeSettings()


def engine(settings: TtsSettings) -> tuple[Literal["embedded", "scripted", "xtts"], str]:
    """The engine in force, and why it is this one."""
    if settings.tts_engine:
        return settings.tts_engine, f"TTS_ENGINE={settings.tts_engine}"
    return "embedded", "TTS_ENGINE is unset: the embedded default"


def concurrency(settings: TtsSettings) -> int:
    """How many sentences the engine in force speaks at once."""
    name, _ = engine(settings)
    return settings.xtts.xtts_instances if name == "xtts" else settings.tts_concurrency


def runs(settings: TtsSettings) -> dict[str, str]:
    """What a worker says that it runs."""
    name, _ = engine(settings)
    match name:
        case "scripted":
            return {"engine": name}
        case "embedded":
            return {"engine": name, "model": "Piper, Kokoro", "device": "cpu"}
    return {"engine": name, "model": settings.xtts.xtts_model or "XTTS v2", "device": settings.xtts.xtts_device}
