"""Another system on the bus: it publishes questions, and what is no event, and reads only its own subjects."""

import asyncio
import contextlib
import json
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct, field
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from tests.harness import wait_until

from . import turns, words
from .sockets import GRACE_SECONDS, LONGEST_THOUGHT, TURN_SECONDS
from .turns import Desk, Turn

ORIGIN = "kiosk-7"
ASK_SECONDS = 40.0
"""How long it tries to have a question taken."""
LOOK_SECONDS = 0.1
GARBAGE_SECONDS = 1.5
GARBAGE = ("utterance", "transcript", "sentence")
"""An event a stage, in a form that it cannot read."""

Pieces = dict[int, tuple[bytes, bool]]


class Story(Struct):
    """All that the bus ever said of a turn."""

    turn: Turn
    takes: dict[tuple[str, int, str], Pieces] = field(default_factory=lambda: defaultdict(dict))
    """(attempt, n, take) -> piece -> WAV and whether it is the last one."""
    last: dict[str, int] = {}
    reply: dict[str, str] = {}
    transcription: str = ""
    newest: str = ""
    complete: set[str] = set()
    failed: bool = False


class Outsider:
    """Asks for as long as the desk is open; `read` must run beside it until the last question has ended."""

    def __init__(self, desk: Desk, client: Client, dice: random.Random) -> None:
        self._desk = desk
        self._client = client
        self._dice = dice
        self._stories: dict[str, Story] = {}

    async def converse(self) -> None:
        """Ask questions, one after the other."""
        while not self._desk.closed:
            turn = self._desk.ask("outsider")
            name = uuid.uuid4().hex
            event = json.dumps({"turn": name, "timeout_ms": TURN_SECONDS * 1000})
            session = f"q{turn.number}"
            headers = {"Voice-Event": event, "Nats-Msg-Id": f"{ORIGIN}.{session}.{name}.0.utterance"}
            await self._ask(turn, session, f"voice.utterance.{ORIGIN}.{session}", words.question(turn.number), headers)
            await asyncio.sleep(self._dice.uniform(0, LONGEST_THOUGHT))

    async def provoke(self) -> None:
        """Publish what nobody can read, to each stage in turn; each must be told so, once."""
        kinds = 0
        while not self._desk.closed:
            turn, kind = self._desk.ask("garbage"), GARBAGE[kinds % len(GARBAGE)]
            kinds += 1
            session = f"q{turn.number}"
            headers = {"Voice-Event": "{", "Nats-Msg-Id": f"{ORIGIN}.{session}.garbage.0.{kind}"}
            await self._ask(turn, session, f"voice.{kind}.{ORIGIN}.{session}", b"this is no event", headers)
            await asyncio.sleep(GARBAGE_SECONDS)

    async def _ask(self, turn: Turn, session: str, subject: str, body: bytes, headers: dict[str, str]) -> None:
        self._stories[session] = Story(turn)
        end = time.monotonic() + ASK_SECONDS
        while True:
            try:
                await self._client.jetstream(timeout=2).publish(subject, body, headers=headers)
                break
            except (NatsError, TimeoutError, ConnectionError):
                if time.monotonic() > end:
                    turns.failed(turn, "not taken")
                    return
                await asyncio.sleep(0.2)
        with contextlib.suppress(AssertionError):  # lost: the list says so
            await wait_until(lambda: turn.ended > 0, "it ended", TURN_SECONDS + GRACE_SECONDS)

    async def read(self) -> None:
        """Read every answer to this origin, in the order of the stream, for ever."""
        sequence, jetstream = 1, self._client.jetstream(timeout=2)
        while True:
            try:
                message = await jetstream.get_msg(
                    "VOICE_ANSWER", seq=sequence, subject=f"voice.*.{ORIGIN}.*", direct=True, next=True
                )
            except (NotFoundError, NatsError, TimeoutError, ConnectionError):
                await asyncio.sleep(LOOK_SECONDS)
                continue
            sequence = (message.seq or 0) + 1
            _, kind, _, session = str(message.subject).split(".")
            headers = message.headers or {}
            _hear(
                self._stories[session],
                kind,
                json.loads(headers.get("Voice-Event") or message.data or b""),
                message.data,
            )


def _hear(story: Story, kind: str, event: dict[str, object], data: bytes | None) -> None:
    """Take an event into the story; a second complete attempt, or a failure beside an answer, is a second ending."""
    attempt = str(event.get("attempt", ""))
    story.newest = max(story.newest, attempt)
    if kind == "failed":
        if attempt in ("", story.newest) and not story.failed:
            story.failed = True
            turns.failed(story.turn, str(event["code"]))
        return
    n, piece = int(str(event["n"])), int(str(event.get("piece", 0)))
    story.takes[attempt, n, str(event["take"])].setdefault(piece, (data or b"", bool(event.get("end"))))
    story.transcription = str(event.get("transcription", "")) or story.transcription
    if event.get("last"):
        story.last[attempt] = n
        story.reply[attempt] = str(event.get("reply", ""))
    if attempt not in story.complete and (sound := _sound(story, attempt)) is not None:
        story.complete.add(attempt)
        turns.answered(story.turn, story.transcription, story.reply[attempt], sound)


def _sound(story: Story, attempt: str) -> bytes | None:
    """The samples of a complete attempt: one take a sentence, all its pieces; None while something is missing."""
    if attempt not in story.last:
        return None
    frames = b""
    for n in range(story.last[attempt] + 1):
        whole = next(_whole(story, attempt, n), None)
        if whole is None:
            return None
        frames += whole
    return frames


def _whole(story: Story, attempt: str, n: int) -> Iterator[bytes]:
    for (of, sentence, _), pieces in story.takes.items():
        if (of, sentence) == (attempt, n) and pieces.get(len(pieces) - 1, (b"", False))[1]:
            yield b"".join(words.samples(pieces[piece][0]) for piece in range(len(pieces)))
