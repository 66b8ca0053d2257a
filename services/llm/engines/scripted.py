"""A reply written in advance, at a set pace: for demos of the bus, for tests and benches."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence

from services.llm.settings import ScriptedSettings

from . import Message

_NAME = re.compile(r"\{(transcript|previous|attempt)\}")
_WORD = re.compile(r"\s*\S+\s*")


class Scripted:
    """The same question always has the same reply; only {attempt} counts on."""

    def __init__(self, settings: ScriptedSettings) -> None:
        self._settings = settings
        self._attempts = 0

    async def reply(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        self._attempts += 1
        questions = [message.content for message in messages if message.role == "user"]
        values = {
            "transcript": questions[-1] if questions else "",
            "previous": questions[-2] if len(questions) > 1 else "",
            "attempt": str(self._attempts),
        }
        text = _NAME.sub(lambda found: values[found[1]], self._settings.scripted_reply)
        pace = self._settings.scripted_words_per_second
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for written, word in enumerate(_WORD.findall(text), start=1):
            if pace:
                await asyncio.sleep(begun + written / pace - loop.time())
            yield word

    async def probe(self) -> None:
        return

    async def close(self) -> None:
        return
