"""The WebSocket client of voicebus: a WAV in, an answer out. `voicebus say`, the benches and the tests share it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec
from msgspec import Struct
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.protocol import State

from bus_schemas import Step, codes, frames
from bus_schemas.frames import Answer, Done, ErrorFrame, Restarted, Spoken, Stop, Taken, Trail, Transcription

from .dial import NoAnswer as NoAnswer
from .dial import dial, raise_error
from .part import Part

SESSION_HEADER = "Voicebus-Session"
ANSWER_SECONDS = 60.0
GRACE_SECONDS = 5.0
"""The edge tells a turn that is too late itself; the client waits this much longer for it to do so."""
TRAIL_SECONDS = 5.0
"""The trail follows the reply at once; an older edge never sends it."""
MEND_PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between tries to connect again: an edge that is started again is there after them."""


class Turn(Struct, frozen=True):
    """A question and its answer."""

    transcription: str
    llama: str
    wav: bytes
    """The spoken reply, a WAV file."""
    trail: tuple[Step, ...] = ()
    """What each stage spent on it, where the client asked with *trace*."""


class Client:
    """One conversation with an edge.

    *url* is like `ws://127.0.0.1:8000/ws`. Empty *session*, *voice* and *language* leave the choice to the edge.
    *key*: the API key, where the edge asks for one. *timeout*: seconds that an answer may take. *trace*: have each turn
    tell what each stage spent on it.
    *mends*: how often a broken link is mended for a turn: the client connects again, and gets what it has not had.
    *stream*: have answers told as they come; then a question is asked with `stream`, otherwise with `ask`.
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
        stream: bool = False,
    ) -> None:
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._trace = trace
        self._mends = mends
        self._session = session
        self._taken = ""
        self._asked, self._mended = False, 0
        self._owed = 0
        """Streamed turns that have not had their end."""
        self.url = _with_query(
            url,
            {
                "session": session,
                "voice": voice,
                "language": language,
                "timeout": f"{timeout:g}",
                "trace": "1" if trace else "",
                "stream": "1" if stream else "",
                "turns": "1" if mends else "",
            },
        )
        self.timeout = timeout
        self._connection: ClientConnection | None = None

    async def __aenter__(self) -> Self:
        """Connect. Raises: NoAnswer."""
        self._connection = await dial(self.url, self._headers)
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

    @property
    def taken(self) -> bool:
        """Whether the edge has said that it has the question; it does where links are mended."""
        return bool(self._taken)

    @property
    def unsent(self) -> int:
        """Bytes of the question that wait for the network."""
        return self.connection.transport.get_write_buffer_size()

    @property
    def broken(self) -> bool:
        """Whether there is no link now."""
        return self.connection.state is not State.OPEN

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

    async def stream(self, wav: bytes) -> AsyncGenerator[Part, None]:
        """Send a question, give each part of its answer at once when it comes; the last one is `Done`.

        It interrupts the question before, whose generator may have been left. When a broken link was mended the answer
        comes again from its beginning: after sound that is told by a `Restarted`.

        Raises: NoAnswer.
        """
        self._taken, self._asked, self._mended = "", False, 0
        began, sounded = time.monotonic(), False
        limit = asyncio.get_running_loop().time() + self.timeout + GRACE_SECONDS
        while True:
            try:
                async with asyncio.timeout_at(limit):
                    frame, sound = await self._coming(wav)
            except TimeoutError:
                await self.connection.close()
                raise NoAnswer(codes.DEADLINE, f"no answer came within {self.timeout:g} s; ask again") from None
            if isinstance(frame, Restarted) and not sounded:
                continue
            sounded = isinstance(frame, Spoken) or (sounded and not isinstance(frame, Restarted))
            yield Part(time.monotonic() - began, frame, sound)
            if isinstance(frame, Done):
                return

    async def interrupt(self, sentences: int | None = None) -> None:
        """Stop the streamed answer that is coming; its `Done` says so. *sentences*: so many of them were played."""
        with contextlib.suppress(ConnectionClosed):
            await self.connection.send(frames.encode(Stop(True, sentences)))

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
                self._connection = await dial(url, self._headers)
                return
            await asyncio.sleep(pause)
        self._connection = await dial(url, self._headers)

    @property
    def _told(self) -> str:
        response = self.connection.response
        return response.headers.get(SESSION_HEADER, "") if response else ""

    async def _coming(self, wav: bytes) -> tuple[Transcription | Spoken | Restarted | Done, bytes]:
        """What comes next of the answer to *wav*, which is asked first where the edge does not have it."""
        try:
            if not self._asked:
                await self.connection.send(wav)
                self._asked, self._owed = True, self._owed + 1
            return await self._part()
        except ConnectionClosed as error:
            await self._mend(self._mended, error)
            self._mended += 1
            self._asked = bool(self._taken)
            self._owed = int(self._asked)
            return Restarted(True), b""

    async def _part(self) -> tuple[Transcription | Spoken | Restarted | Done, bytes]:
        """The next frame of the turn that was asked last, and the sound that belongs to it."""
        while True:
            text = await self.connection.recv()
            if isinstance(text, bytes):
                raise NoAnswer(codes.CRASHED, "the edge sent sound that it did not name; is it a voicebus edge?")
            try:
                frame = frames.decode(text)
            except msgspec.DecodeError as error:
                raise NoAnswer(codes.CRASHED, f"this is no streaming voicebus edge: {error}") from error
            sound = await self._speech() if isinstance(frame, Spoken) else b""
            earlier = self._owed > 1
            self._owed -= isinstance(frame, Done | ErrorFrame)
            if earlier:
                continue
            match frame:
                case Taken(turn):
                    self._taken = turn
                case ErrorFrame(told):
                    raise NoAnswer(told.code, told.message, told.retry_after)
                case Transcription() | Spoken() | Restarted() | Done():
                    return frame, sound
                case _:
                    raise NoAnswer(codes.CRASHED, "this edge does not stream its answers; ask without it")

    async def _answer(self) -> Answer:
        frame = await self.connection.recv()
        if isinstance(frame, bytes):
            raise NoAnswer(codes.CRASHED, "the edge sent sound before text; is it a voicebus edge?")
        with contextlib.suppress(msgspec.DecodeError):
            self._taken = msgspec.json.decode(frame, type=Taken).turn
            return await self._answer()
        raise_error(frame)
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
        raise_error(frame)
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


def _with_query(url: str, values: dict[str, str]) -> str:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {name: value for name, value in values.items() if value}
    return urlunsplit(parts._replace(query=urlencode(query)))
