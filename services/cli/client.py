"""The WebSocket client of voicebus: a WAV in, an answer out. `voicebus say`, the benches and the tests share it."""

import asyncio
import contextlib
from collections.abc import Mapping
from ssl import SSLCertVerificationError
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import CloseCode

from bus_schemas import Step, codes
from bus_schemas.frames import Answer, Error, ErrorFrame, Taken, Trail
from services.runtime.errors import VoicebusError

SESSION_HEADER = "Voicebus-Session"
OPEN_SECONDS = 10.0
ANSWER_SECONDS = 60.0
GRACE_SECONDS = 5.0
"""The edge tells a turn that is too late itself; the client waits this much longer for it to do so."""
TRAIL_SECONDS = 5.0
"""The trail follows the reply at once; an older edge never sends it."""
MEND_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between tries to connect again: an edge that is started again is there after them."""
MAX_FRAME_BYTES = 64 * 1024 * 1024


class Turn(Struct, frozen=True):
    """A question and its answer."""

    transcription: str
    llama: str
    wav: bytes
    """The spoken reply, a WAV file."""
    trail: tuple[Step, ...] = ()
    """What each stage spent on it, where the client asked with *trace*."""


class NoAnswer(VoicebusError):
    """The edge cannot be reached, or a turn came to nothing. `code` is one of `bus_schemas.codes`.

    *retry_after*: seconds after which another try may succeed, where the edge says so.
    """

    def __init__(self, code: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after = retry_after


class Client:
    """One conversation with an edge.

    *url* is like `ws://127.0.0.1:8000/ws`. Empty *session*, *voice* and *language* leave the choice to the edge.
    *key*: the API key, where the edge asks for one. *timeout*: seconds that an answer may take. *trace*: have each turn
    tell what each stage spent on it.
    *mends*: how often a broken link is mended for a turn: the client connects again, and gets what it has not had.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        session: str = "",
        voice: str = "",
        language: str = "",
        timeout: float = ANSWER_SECONDS,
        trace: bool = False,
        mends: int = 0,
    ) -> None:
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._trace = trace
        self._mends = mends
        self._session = session
        self._taken = ""
        self.url = _with_query(
            url,
            {
                "session": session,
                "voice": voice,
                "language": language,
                "timeout": f"{timeout:g}",
                "trace": "1" if trace else "",
                "turns": "1" if mends else "",
            },
        )
        self.timeout = timeout
        self._connection: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        """Connect. Raises: NoAnswer."""
        self._connection = await _open(self.url, self._headers)
        self._session = self._told
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.connection.close()

    @property
    def connection(self) -> ClientConnection:
        if self._connection is None:
            raise RuntimeError("the client is not open: use `async with`")
        return self._connection

    @property
    def session(self) -> str:
        """The conversation's name, as the edge knows it; with it a later client goes on."""
        return self._session

    async def ask(self, wav: bytes) -> Turn:
        """Send a question, wait for its answer.

        Raises: NoAnswer; after one with the code `deadline` the connection is closed, because a late answer would be
        taken for the next one's.
        """
        self._taken = ""
        try:
            async with asyncio.timeout(self.timeout + GRACE_SECONDS):
                for mends in range(self._mends + 1):
                    try:
                        return await self._ask(wav)
                    except ConnectionClosed as error:
                        await self._mend(mends, error)
        except TimeoutError:
            await self.connection.close()
        raise NoAnswer(codes.DEADLINE, f"no answer came within {self.timeout:g} s; ask again, or allow more")

    async def _ask(self, wav: bytes) -> Turn:
        """Ask, unless the turn is taken already; then its answer comes by itself."""
        if not self._taken:
            await self.connection.send(wav)
        answer = await self._answer()
        sound = await self._speech()
        return Turn(answer.transcription, answer.llama, sound, await self._trail() if self._trace else ())

    async def _mend(self, mends: int, error: ConnectionClosed) -> None:
        """Connect again, to the same conversation and, when the edge has taken it, the same turn.

        Raises: NoAnswer when the link has broken too often, or nobody is there.
        """
        if mends >= self._mends or not _mendable(error):
            raise NoAnswer(codes.UNAVAILABLE, f"the connection was closed before the answer came ({error})") from error
        url = _with_query(self.url, {"session": self._session, "resume": self._taken})
        for pause in MEND_PAUSES:
            with contextlib.suppress(NoAnswer):
                self._connection = await _open(url, self._headers)
                return
            await asyncio.sleep(pause)
        self._connection = await _open(url, self._headers)

    @property
    def _told(self) -> str:
        response = self.connection.response
        return response.headers.get(SESSION_HEADER, "") if response else ""

    async def _answer(self) -> Answer:
        frame = await self.connection.recv()
        if isinstance(frame, bytes):
            raise NoAnswer(codes.CRASHED, "the edge sent sound before text; is it a voicebus edge?")
        with contextlib.suppress(msgspec.DecodeError):
            self._taken = msgspec.json.decode(frame, type=Taken).turn
            return await self._answer()
        _raise_error(frame)
        try:
            return msgspec.json.decode(frame, type=Answer)
        except msgspec.DecodeError as error:
            raise NoAnswer(
                codes.CRASHED, f"the answer is none of voicebus ({error}); is it a voicebus edge?"
            ) from error

    async def _speech(self) -> bytes:
        frame = await self.connection.recv()
        if isinstance(frame, bytes):
            return frame
        _raise_error(frame)
        raise NoAnswer(codes.CRASHED, "the edge sent text instead of the reply's sound")

    async def _trail(self) -> tuple[Step, ...]:
        try:
            async with asyncio.timeout(TRAIL_SECONDS):
                return msgspec.json.decode(await self.connection.recv(), type=Trail).trail
        except (TimeoutError, msgspec.DecodeError) as error:
            raise NoAnswer(codes.UNSUPPORTED, "this edge does not tell where the time went; ask without it") from error


def _mendable(error: ConnectionClosed) -> bool:
    """Whether the link broke, or the edge went away; not when it closed because of what it was sent."""
    return error.rcvd is None or error.rcvd.code in (CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART)


def _raise_error(text: str) -> None:
    try:
        error: Error = msgspec.json.decode(text, type=ErrorFrame).error
    except msgspec.DecodeError:
        return
    raise NoAnswer(error.code, error.message, error.retry_after)


async def _open(url: str, headers: Mapping[str, str]) -> ClientConnection:
    try:
        return await connect(
            url, open_timeout=OPEN_SECONDS, max_size=MAX_FRAME_BYTES, proxy=None, additional_headers=headers
        )
    except InvalidURI as error:
        raise NoAnswer(codes.BAD_PARAMETER, f"{url!r} is no WebSocket URL such as ws://127.0.0.1:8000/ws") from error
    except InvalidStatus as error:
        body = bytes(error.response.body or b"").decode(errors="replace").strip()
        _raise_error(body)
        raise NoAnswer(
            codes.UNAVAILABLE, f"{_place(url)} answered HTTP {error.response.status_code}: {body[:300]}"
        ) from error
    except TimeoutError as error:
        raise NoAnswer(codes.UNAVAILABLE, f"nothing answers on {_place(url)} within {OPEN_SECONDS:g} s") from error
    except SSLCertVerificationError as error:
        raise NoAnswer(
            codes.UNAVAILABLE,
            f"the certificate of {_place(url)} is not trusted ({error.verify_message}): ask by a name that it has, and"
            " name its authority's file in SSL_CERT_FILE",
        ) from error
    except (OSError, InvalidHandshake, EOFError) as error:
        raise NoAnswer(
            codes.UNAVAILABLE,
            f"no voicebus answers on {_place(url)}: start one with `voicebus up`, or name another with --url",
        ) from error


def _with_query(url: str, values: dict[str, str]) -> str:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {name: value for name, value in values.items() if value}
    return urlunsplit(parts._replace(query=urlencode(query)))


def _place(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(query=""))
