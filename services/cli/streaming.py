"""Ask one question and watch its answer come, for benches and programs: `async for part in ask_streaming(url, wav)`."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from .client import ANSWER_SECONDS, Client
from .part import Part


async def ask_streaming(
    url: str,
    wav: bytes,
    *,
    key: str = "",
    session: str = "",
    voice: str = "",
    language: str = "",
    timeout: float = ANSWER_SECONDS,  # noqa: ASYNC109 - how long the edge may take, as in `Client`
    trace: bool = False,
) -> AsyncGenerator[Part, None]:
    """Each part of the answer at once when it comes, with the seconds since the question was sent; the last is `Done`.

    The socket is opened before the clock starts. The first `Spoken` is the time to first sound. `Collected` puts the
    parts together. A conversation of several questions is a `Client(..., stream=True)` and its `stream`.

    Raises: NoAnswer.
    """
    client = Client(
        url, key=key, session=session, voice=voice, language=language, timeout=timeout, trace=trace, stream=True
    )
    async with client, aclosing(client.stream(wav)) as parts:
        async for part in parts:
            yield part
