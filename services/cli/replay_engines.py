"""The engines that a replay was asked for, loaded as their stages load them, with the same settings."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol, TypeVar

from msgspec import Struct

from services.llm import engines as llm_engines
from services.llm import settings as llm_settings
from services.llm.engines import LanguageModel
from services.llm.settings import LlmSettings
from services.runtime import settings
from services.runtime.errors import StartError
from services.stt import engines as stt_engines
from services.stt import settings as stt_settings
from services.stt.engines import Transcriber
from services.stt.settings import SttSettings
from services.tts import engines as tts_engines
from services.tts import settings as tts_settings
from services.tts.engines import Speaker
from services.tts.settings import TtsSettings

LOAD_SECONDS = 600.0
"""A name of a model that is not here is downloaded first."""


class _Engine(Protocol):
    async def probe(self) -> None: ...

    async def close(self) -> None: ...


E = TypeVar("E", bound=_Engine)


class Engines(Struct, frozen=True):
    """What runs again, and with which settings; None: that stage does not."""

    stt: tuple[Transcriber, SttSettings] | None
    llm: tuple[LanguageModel, LlmSettings] | None
    tts: tuple[Speaker, TtsSettings] | None
    runs: Mapping[str, Mapping[str, str]]
    """What each of them is, by its stage."""


@asynccontextmanager
async def opened(stt: str, llm: str, tts: str) -> AsyncIterator[Engines]:
    """Load the engines of these names; an empty one loads none.

    Raises: SettingsError; StartError for one that is not installed; Unavailable for a server that is away.
    """
    environ = settings.environment()
    wanted = (
        settings.load(SttSettings, {**environ, "STT_ENGINE": stt}) if stt else None,
        settings.load(LlmSettings, {**environ, "LLM_ENGINE": llm}) if llm else None,
        settings.load(TtsSettings, {**environ, "TTS_ENGINE": tts}) if tts else None,
    )
    hearing, thinking, speaking = wanted
    async with AsyncExitStack() as stack:
        yield Engines(
            stt=(await _open(stack, stt, lambda: stt_engines.load(hearing)), hearing) if hearing else None,
            llm=(await _open(stack, llm, lambda: llm_engines.load(thinking)), thinking) if thinking else None,
            tts=(await _open(stack, tts, lambda: tts_engines.load(speaking)), speaking) if speaking else None,
            runs={
                **({"stt": stt_settings.runs(hearing)} if hearing else {}),
                **({"llm": llm_settings.runs(thinking)} if thinking else {}),
                **({"tts": tts_settings.runs(speaking)} if speaking else {}),
            },
        )


async def _open(stack: AsyncExitStack, name: str, load: Callable[[], E]) -> E:
    """Load one, and have it work once, so that no turn pays for its start."""
    try:
        engine = await asyncio.to_thread(load)
    except ImportError as error:
        raise StartError(
            f"the engine {name} cannot be imported ({error}); docs/engines.md says what it needs"
        ) from error
    stack.push_async_callback(engine.close)
    async with asyncio.timeout(LOAD_SECONDS):
        await engine.probe()
    return engine
