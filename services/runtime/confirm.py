"""Publishing with the broker's confirmation, over one inbox for all that this connection publishes.

nats-py's own `js.publish` waits with `asyncio.wait_for`, makes a random name for every answer and reads it into a
dataclass: together a fifth of what a worker spends on a message that costs no engine time.
"""

import asyncio
from collections.abc import Mapping

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import APIError, NoStreamResponseError

from bus_schemas import codec

from .limits import Limits

NOBODY = "503"


class _Error(Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class Stored(Struct, frozen=True):
    """What the broker says of a message that was published to a stream."""

    duplicate: bool = False
    """It was there already, by its id."""
    error: _Error | None = None


_decoder = msgspec.json.Decoder(Stored)

Answer = asyncio.Future[Msg | None]
"""None: it did not come, in time or ever."""


class Confirmations:
    """The answers that one connection waits for."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._inbox = ""
        self._number = 0
        self._waiting: dict[str, Answer] = {}
        self._unanswerable: tuple[Answer, ...] = ()
        self._limits = Limits[Answer](_no_answer)

    async def publish(self, subject: str, payload: bytes, headers: Mapping[str, str], seconds: float) -> Stored:
        """Publish, and wait for the answer.

        Raises: TimeoutError; NoStreamResponseError; APIError; as the client's own `publish`; msgspec.DecodeError.
        """
        if not self._inbox:
            self._inbox = self._client.new_inbox()  # before the wait: the next one must not subscribe again
            await self._client.subscribe(f"{self._inbox}.*", cb=self._on_answer)
        self._number += 1
        name = f"{self._number:x}"
        answer = self._waiting[name] = asyncio.get_running_loop().create_future()
        try:
            await self._client.publish(subject, payload, f"{self._inbox}.{name}", dict(headers) or None)
            self._limits.keep(answer, seconds)
            return _stored(await answer)
        finally:
            del self._waiting[name]
            self._limits.drop(answer)

    def ended(self) -> None:
        """The connection ended: what was sent until now is answered to nobody."""
        self._unanswerable = tuple(self._waiting.values())

    def renewed(self) -> None:
        """It was made anew: that can be sent again. What was sent over the new one already will be answered."""
        for answer in self._unanswerable:
            _no_answer(answer)
        self._unanswerable = ()

    async def _on_answer(self, message: Msg) -> None:
        answer = self._waiting.get(message.subject.rpartition(".")[2])
        if answer is not None and not answer.done():
            answer.set_result(message)


def _no_answer(answer: Answer) -> None:
    """An exception that nobody is left to take would be a warning of the loop."""
    if not answer.done():
        answer.set_result(None)


def _stored(message: Msg | None) -> Stored:
    if message is None:
        raise TimeoutError("the broker did not answer in time, or the connection ended first")
    if not message.data and codec.plain(message.headers).get("Status") == NOBODY:
        raise NoStreamResponseError
    stored = _decoder.decode(message.data)
    if stored.error is not None:
        raise APIError(code=stored.error.code, err_code=stored.error.err_code, description=stored.error.description)
    return stored
