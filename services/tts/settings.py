"""The settings of tts."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from services.runtime.serve import RuntimeSettings
from services.runtime.settings import Positive

Milliseconds = Annotated[int, Meta(ge=0)]
WordsPerSecond = Annotated[float, Meta(gt=0, le=100)]


class TtsSettings(Struct, frozen=True):
    """What tts reads."""

    tts_engine: Literal["", "embedded", "scripted", "xtts"] = ""
    """Who speaks: embedded (Piper and Kokoro, on the CPU) or scripted (tones, for tests). Empty: embedded."""
    voice_name: str = "man"
    """The voice of who asks for none: a name of voices.toml."""
    voices_dir: str = "audios"
    """The folder with voices.toml and the recordings that it names."""
    tts_concurrency: Positive = 2
    """How many sentences are spoken at once."""
    tts_threads: Positive = 2
    """Threads that one embedded model may compute on; they never spin."""
    scripted_tts_words_per_second: WordsPerSecond = 2.5
    """How fast the scripted engine speaks: a tone of this many words a second."""
    scripted_tts_ms: Milliseconds = 50
    """How long the scripted engine works on one sentence, milliseconds."""
    runtime: RuntimeSettings = RuntimeSettings()


def engine(settings: TtsSettings) -> tuple[Literal["embedded", "scripted", "xtts"], str]:
    """The engine in force, and why it is this one."""
    if settings.tts_engine:
        return settings.tts_engine, f"TTS_ENGINE={settings.tts_engine}"
    return "embedded", "TTS_ENGINE is unset: the embedded default"
