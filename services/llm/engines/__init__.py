"""The language models: one Protocol, one file each, one `match`."""

from collections.abc import AsyncGenerator, Sequence
from typing import Literal, Protocol

from msgspec import Struct


class Message(Struct, frozen=True):
    """One line of a conversation, as chat models take it."""

    role: Literal["system", "user", "assistant"]
    content: str


class LanguageModel(Protocol):
    """Text to text. It never blocks the event loop."""

    def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """Stream the reply's text as it is written. Closing the generator stops the model within a token.

        Raises: Unavailable; Refused.
        """
        ...

    async def probe(self) -> None:
        """Return when the engine can work. Raises: Unavailable."""
        ...

    async def close(self) -> None:
        """Give back what the engine holds."""
        ...
