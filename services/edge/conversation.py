"""The loop of one socket: it carries frames, events and time to its `Session`, and does what the session says."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable

import structlog
from msgspec.structs import replace
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from bus_schemas import Event, Utterance, codes, frames, subjects
from bus_schemas.frames import Error
from services.runtime import wav
from services.runtime.bus import Bus
from services.runtime.errors import QueueFull, Refused, Unavailable
from services.runtime.wav import WavLimits

from . import report, resume, sending
from .actions import Action, Find, Leave, Publish, Recover, Report, SendAnswer, SendError, Tell
from .admission import Admission
from .dialogue import Dialogue
from .limits import Share
from .link import Link
from .relay import Place, Relay
from .session import Session
from .settings import EdgeSettings
from .traced import Traces
from .turn import Limits, Wishes

FIRST_PAUSE = 0.1
"""Seconds before a publish that failed is tried again; then twice as long each time."""
MOST_UNDONE = 8
"""Actions that wait for the one before; each may hold a WAV."""

TEXT_FRAME = Error(codes.TEXT_FRAME, "This is a text frame: send a WAV file as one binary frame.")
NO_CANCEL = Error(
    codes.TEXT_FRAME,
    'This text frame is not {"cancel": true}, which may have "sentences", a whole number, and nothing else; a question '
    "is a WAV file as one binary frame.",
)
FULL = "The line is full"
AWAY = Error(codes.UNAVAILABLE, "The service cannot take requests now: try again in a few seconds.")
STUCK = Error(
    codes.UNAVAILABLE,
    "The service cannot keep requests: whoever runs it has to look at its broker; /readyz and the log say why.",
)
TOO_SMALL = Error(
    codes.UNAVAILABLE,
    "The service's broker takes no question so large, though it should: ask a shorter one, or tell whoever runs it.",
)
UNKNOWN = Error(codes.UNKNOWN_TURN, "This turn is not known, or its answer is not kept any more: ask again.")

log = structlog.get_logger()


class Conversation:
    """One open socket; `run` lasts until it is closed."""

    def __init__(
        self,
        connection: ServerConnection,
        wishes: Wishes,
        settings: EdgeSettings,
        bus: Bus,
        relay: Relay,
        share: Share,
        admission: Admission,
    ) -> None:
        self.link = Link(connection, settings.send_seconds, settings.receive_seconds)
        self._settings = settings
        self._bus = bus
        self._relay = relay
        self._share = share
        self._traces = Traces(wishes)
        self._admission = admission
        self._subject = subjects.conversation(wishes.origin, wishes.session)
        limits = Limits(settings.max_waiting_turns, settings.silence_seconds)
        self._session = Dialogue(wishes, limits) if wishes.stream else Session(wishes, limits)
        self._limits = WavLimits(settings.max_utterance_seconds, settings.max_frame_bytes)
        self._clock = asyncio.get_running_loop().time
        self._alarm: asyncio.TimerHandle | None = None
        self._actions: asyncio.Queue[Action] = asyncio.Queue()
        self._missed = asyncio.Event()
        self._moves, self._more = asyncio.Event(), asyncio.Event()
        """Set whenever something was given to the session: more may be read, more may be sent."""
        self._start = Place(sequence=1)

    async def run(self) -> None:
        """Answer every frame until the socket closes."""
        async with self._relay.listen(self._subject, self._on_event, self._on_missed):
            try:
                self._do(self._session.resume(self._clock()))
                async with asyncio.TaskGroup() as group:
                    work = [group.create_task(task()) for task in (self._read, self._act, self._send, self._recover)]
                    await self.link.over()
                    for task in work:
                        task.cancel()
            finally:
                await self._close()

    @property
    def held(self) -> int:
        """Bytes that the client sent, and that are not on the bus yet."""
        return self.link.held + self._session.held

    def stop(self) -> None:
        """Take no more turns, and leave when the running one is answered."""
        self._do(self._session.stop(self._clock()))

    def give_up(self) -> None:
        """The time to finish is over: tell the client, then leave."""
        self._do(self._session.give_up(self._clock()))

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                frame = await self.link.receive()
                if not self._interrupt(frame):
                    utterance = self._admitted(await self._checked(frame))
                    self._do(self._session.heard(utterance, self._clock()))
                await self._moved(lambda: not self._session.crowded and self._actions.qsize() < MOST_UNDONE)

    def _interrupt(self, frame: str | bytes) -> bool:
        """End the running turn of a streaming session, before anything is known of *frame*; True when it is no more."""
        dialogue = self._session
        if not isinstance(dialogue, Dialogue):
            return False
        stop = frames.stop(frame) if isinstance(frame, str) else None
        self._do(dialogue.cancel(self._clock(), stop.sentences) if stop else dialogue.interrupt(self._clock()))
        return stop is not None

    def _admitted(self, utterance: bytes | Error) -> bytes | Error:
        """A question, counted into its party's limits; or why it is none, or this is no time for it."""
        if isinstance(utterance, Error):
            return utterance
        if isinstance(self._session, Session) and self._session.full:
            return self._admission.later("Too many turns of this socket wait for their answers")
        self._admission.demand()
        wishes = self._session.wishes
        refusal = self._admission.refusal(wishes.origin, wishes.timeout_ms) or self._share.take(self._clock())
        return refusal or utterance

    async def _moved(self, enough: Callable[[], bool]) -> None:
        """Read no further until *enough* is done of what was asked: the client's own buffers fill, not ours."""
        while not enough():
            self._moves.clear()
            await self._moves.wait()

    async def _checked(self, frame: str | bytes) -> bytes | Error:
        if isinstance(frame, str):
            return NO_CANCEL if isinstance(self._session, Dialogue) else TEXT_FRAME
        if wav.is_normal(frame, self._limits):
            return frame
        try:
            return await asyncio.to_thread(wav.normalise, frame, self._limits)
        except Refused as error:
            return Error(error.code, error.message)

    def _on_event(self, event: Event) -> None:
        self._do(self._session.event(event, self._clock()))

    def _on_missed(self) -> None:
        if self._session.turn:
            self._missed.set()

    def _on_alarm(self) -> None:
        self._do(self._session.tick(self._clock()))

    def _do(self, actions: Iterable[Action]) -> None:
        """Have *actions* done, in order, and be woken when the session wants to."""
        for action in actions:
            if isinstance(action, Report):
                self._report(action)
            else:
                self._actions.put_nowait(action)
        self._moves.set()
        self._more.set()
        if self._alarm is not None:
            self._alarm.cancel()
        wakes = self._session.wakes
        self._alarm = None if wakes is None else asyncio.get_running_loop().call_at(wakes, self._on_alarm)

    async def _act(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._once(await self._actions.get())
                self._moves.set()

    async def _once(self, action: Action) -> None:
        match action:
            case Publish():
                await self._publish(action.utterance)
            case SendAnswer() | SendError():
                await self._reply(action)
            case Find():
                await self._find(action.turn)
            case Recover():
                self._missed.set()
            case Tell():
                await self._bus.tell(action.cancel)
            case Leave():
                await self.link.close("the service is stopping")

    async def _reply(self, action: SendAnswer | SendError) -> None:
        assert isinstance(self._session, Session)
        limit, trace = self._settings.max_reply_bytes, self._session.wishes.trace
        outcome, code = await sending.reply(self.link, action, limit, trace=trace)
        self._do(self._session.sent(self._clock(), outcome, code))

    async def _send(self) -> None:
        """Send what a streaming session has to tell, frame by frame, as fast as the client reads."""
        dialogue, limit = self._session, self._settings.max_reply_bytes
        with contextlib.suppress(ConnectionClosed):
            while isinstance(dialogue, Dialogue):
                await self._more.wait()
                self._more.clear()
                while (frame := dialogue.next(self._clock())) is not None:
                    await sending.streamed(self.link, frame, limit)
                    self._do(dialogue.left(self._clock()))

    def _report(self, action: Report) -> None:
        if action.counted:
            self._share.end()
        self._admission.learn(action.trail)
        with self._traces.over(action):
            report.turn(self._session.wishes, action, self._bus)

    async def _publish(self, utterance: Utterance) -> None:
        if self._session.turn != utterance.turn:
            return  # it ended before its turn to be published came: nothing was begun, and nobody would end it
        self._start = Place(time=self._bus.time())
        report.asked(self._bus, utterance)
        stored = False
        self._admission.count(utterance.origin)
        try:
            async with asyncio.timeout(self._settings.publish_seconds):
                with self._traces.begun(utterance):
                    stored = await self._try(utterance.turn, lambda: self._bus.publish(utterance))
        except Refused as error:  # the question itself is within the edge's own limits
            log.error("utterance_not_taken", turn=utterance.turn, bytes=len(utterance.wav), why=error.message)
            self._do(self._session.fail(utterance.turn, TOO_SMALL))
        except QueueFull:
            self._do(self._session.fail(utterance.turn, self._admission.later(FULL)))
        except TimeoutError:
            self._do(self._session.fail(utterance.turn, STUCK if self._bus.stuck else AWAY))
        finally:
            if not stored:
                self._admission.discount(utterance.origin)
        if stored:
            await self._taken(utterance.turn)

    async def _taken(self, turn: str) -> None:
        """The bus has it; tell the client so, where it asked for that."""
        if isinstance(self._session, Dialogue):
            self._session.taken(turn)
            self._do(())
        elif self._session.wishes.turns:
            await self.link.send(frames.encode(frames.Taken(turn)))

    async def _find(self, turn: str) -> None:
        """Give the session what the bus has of a turn that another socket began."""
        wishes, found = self._session.wishes, list[resume.Found]()

        async def look() -> None:
            seen = await resume.find(self._relay, wishes.origin, wishes.session, turn)
            lost = await resume.without_beginning(self._bus, turn, seen.events)
            found.append(replace(seen, events=()) if lost else seen)

        try:
            async with asyncio.timeout(self._settings.publish_seconds):
                await self._try(turn, look)
        except TimeoutError:
            self._do(self._session.fail(turn, AWAY, cancel=False))
        for seen in found:
            self._start = seen.answers
            for event in seen.events:
                self._on_event(event)
            if not seen.events:
                self._do(self._session.fail(turn, UNKNOWN, cancel=False))
            if seen.deadline:
                self._session.found(turn, seen.deadline - self._bus.time(), self._clock())
                self._do(())

    async def _try(self, turn: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Do *work* with the broker until it is there, while *turn* lasts; returns whether it was done."""
        pause = FIRST_PAUSE
        while self._session.turn == turn:
            try:
                await work()
                return True
            except Unavailable as error:
                log.warning("broker_away", turn=turn, error=str(error))
            await asyncio.sleep(pause)
            pause *= 2
        return False

    async def _recover(self) -> None:
        """Read what may have been missed, whenever told so."""
        while True:
            await self._missed.wait()
            self._missed.clear()
            turn, start = self._session.turn, self._start
            if not turn:
                continue
            report.RECOVERIES.inc()
            try:
                read = await self._relay.read(self._subject, start, self._on_event)
            except Unavailable as error:
                log.warning("recovery_failed", turn=turn, error=str(error))
                continue
            if self._start is start:
                self._start = read

    async def _close(self) -> None:
        report.CLOSED.labels(self.link.ending).inc()
        cancel = self._settings.cancel_on_close and (self.link.goodbye or not self._session.lasting)
        for action in self._session.closed(self._clock(), cancel=cancel):
            if isinstance(action, Report):
                self._report(action)
            elif isinstance(action, Tell):
                await self._once(action)
        if self._alarm is not None:
            self._alarm.cancel()
