"""The language models: one Protocol, one file each, one `match`."""

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from services.llm import settings as llm_settings
from services.llm.settings import LlmSettings
from services.runtime.errors import StartError


class Message(Struct, frozen=True):
    """One line of a conversation, as chat models take it."""

    role: Literal["system", "user", "assistant"]
    content: str


class LanguageModel(Protocol):
    """Text to text. It never blocks the event loop."""

    def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """Stream the reply's text as it is written. Who closes the generator, or is cancelled, has stopped the model.

        Raises: Unavailable; Refused.
        """
        ...

    async def probe(self) -> None:
        """Return when the engine can work. Raises: Unavailable."""
        ...

    async def close(self) -> None:
        """Give back what the engine holds."""
        ...


def load(settings: LlmSettings) -> LanguageModel:
    """Load the engine in force; it takes seconds, so it is called in a thread.

    Raises: StartError.
    """
    name, why = llm_settings.engine(settings)
    try:
        match name:
            case "ollama":
                from . import ollama

                return ollama.load(settings)
            case "openai":
                from . import openai

                return openai.load(settings)
            case "llama-cpp":
                from . import llama_cpp

                return llama_cpp.load(settings)
            case "scripted":
                from .scripted import Scripted

                return Scripted(settings.scripted)
    except ImportError as error:
        raise StartError(f"the engine {name} ({why}) cannot be imported: {error}; install {name}") from error
