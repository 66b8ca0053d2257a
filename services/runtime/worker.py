"""The worker: it takes events out of a work queue, lets a stage handle them, and settles each in exactly one way.

The rules:

finished          every output was published and confirmed by the broker, then the event is acked.
no room           downstream, or the broker is away: wait in place and publish the same message again, until the
                  deadline. Done work is never done again, and the held credit is the back-pressure.
`Unavailable`     the engine is down: given back with a delay, so that a healthy worker may have it; the worker stops
                  pulling and is not ready until a probe of its engine succeeds. What was given back often waits in
                  place for that probe instead: the deadline ends the waiting, not a count.
`Refused`         the sender's fault: `failed`, never again.
a crash           given back once, then `failed` and a dead letter. Two in a row of different messages, or `Sick` (the
                  engine is broken, or hangs in its thread): the worker hands back what it holds and ends with an
                  error; who started it starts it again.
no event          a dead letter (and `failed` where a turn is known), never again.
delivered before  worked on alone, so that a message that kills its worker takes no other with it, in an order that each
                  delivery turns around; a fresh worker asks for one message at a time until it has settled one that
                  was never delivered before. After MAX_DELIVERIES no work is done on it: `failed`, a dead letter.
over its share    `Busy`: `failed busy`, before a place or the engine is asked for; more is pulled at once meanwhile.
past its deadline `failed deadline`, without engine time.
cancelled         dropped, and its engine stopped within a token or a piece; who cancelled knows. A cancel saves work,
                  it never decides.
SIGTERM           take no more, finish, give back what cannot finish in time.
"""

import asyncio
import contextlib
from contextlib import aclosing

import structlog
from msgspec import Struct
from nats.aio.msg import Msg

from bus_schemas import BadSubject, Cancel, Event, NotAnEvent, Step, codes, subjects

from . import delivery, failpoint, metrics, settle, tracing
from .account import Account
from .alone import NoPlace, Room
from .bus import Bus
from .cancelled import Cancelled, heard
from .delivery import Delivery
from .errors import Busy, Refused, Sick, Unavailable
from .health import Readiness
from .pull import Pull
from .recovery import Recovery
from .running import Run, Running
from .settings import Positive, Seconds
from .stage import Stage, everybody, follow
from .turn_away import TurnAway

RETRY_SECONDS = 1.0
"""How long a crashed event rests before its second try."""
AWAY_SECONDS = 5.0
"""The longest rest of an event whose engine is down, before another worker may try."""
LOOK_SECONDS = 1.0

log = structlog.get_logger()


class WorkerSettings(Struct, frozen=True):
    """How a stage works its queue."""

    worker_name: str = ""
    """The worker's name in trails and logs; empty: host name and process id."""
    max_deliveries: Positive = 5
    """After so many deliveries an event is given up."""
    ack_wait: Seconds = 6.0
    """Seconds after which the work of a dead worker is given to another; a live one says so three times in it."""
    drain_seconds: Seconds = 8.0
    """After SIGTERM, how long what runs may go on."""


class Worker:
    """One stage at work; `run` lasts until it is told to stop."""

    def __init__(self, bus: Bus, stage: Stage, settings: WorkerSettings, readiness: Readiness, name: str) -> None:
        self._bus = bus
        self._stage = stage
        self._settings = settings
        self._readiness = readiness
        self._name = name
        self.account = Account(bus, stage.name, name, stage.credit)
        self._room = Room(stage.credit)
        self._pull = Pull(bus, stage.stream, stage.name, 1, self._take)
        self._pull.go_carefully()
        self._turn_away = TurnAway(bus, self._pull, stage.name)
        self._cancelled = Cancelled()
        self._holding: dict[asyncio.Task[None], Delivery] = {}
        self._running = Running(stage.name)
        self._waiting = 0
        self._crashed = 0
        """The message that crashed last, when nothing has gone well since."""
        self._sick: Sick | None = None
        self._stop = asyncio.Event()
        self._recovery = Recovery(stage.probe, self._pull, readiness)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until *stopping*, then drain. Raises: Sick when this process should not go on."""
        cancels = await self._bus.client.subscribe(subjects.every(Cancel), cb=self._on_cancel)
        async with asyncio.TaskGroup() as group, self._pull, delivery.kept(self._holding, self._settings.ack_wait / 3):
            self._group = group
            self._recovery.look(group)
            watch = group.create_task(self._watch(stopping), name="worker-watch")
            await self._stop.wait()
            watch.cancel()
            self._readiness.lack("worker", "it is stopping")
            await self._pull.stop()
            await self._drain()
        await cancels.unsubscribe()
        if self._sick is not None:
            raise self._sick

    async def _watch(self, stopping: asyncio.Event) -> None:
        """Stop when told, and keep readiness true to what the consumer says."""
        while not stopping.is_set():
            missing = f"no consumer {self._stage.name} on {self._stage.stream}; run `voicebus setup`"
            self._readiness.state("queue", "" if self._pull.reachable else missing)
            self._readiness.state("bus", self._bus.trouble)
            self._readiness.state("clock", self._bus.clock)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await stopping.wait()
        self._stop.set()

    async def _drain(self) -> None:
        if self._holding:
            await asyncio.wait(self._holding, timeout=0 if self._sick else self._settings.drain_seconds)
        while self._holding:
            for task in self._holding:
                task.cancel()
            await asyncio.wait(self._holding, timeout=LOOK_SECONDS)
        self._recovery.stop()

    def _take(self, message: Msg) -> None:
        held = delivery.of(message)
        task = self._group.create_task(self._hold(held), name=message.subject)
        self._holding[task] = held
        task.add_done_callback(self._holding.__delitem__)

    async def _hold(self, held: Delivery) -> None:
        """Keep a message from its delivery to its settling."""
        if held.deliveries > 1:
            self._pull.go_carefully()
            metrics.of(self._stage.name).redeliveries.inc()
        try:
            if self._stop.is_set():
                await delivery.nak(held, 0)
                return
            with tracing.processing(self._stage.name, held) as ended:
                outcome = await self._work(held)
                ended(outcome)
            self.account.settled(outcome)
            if held.deliveries == 1 and outcome != "busy":
                self._pull.give_credit(self._stage.credit)
        except asyncio.CancelledError:
            await delivery.nak(held, 0)
            if not self._stop.is_set():
                raise
        finally:
            self._pull.release()

    async def _work(self, held: Delivery) -> str:
        """Work on one message; returns how it ended."""
        await failpoint.reach(failpoint.AFTER_DELIVERY)
        try:
            event = delivery.event(held)
        except (BadSubject, NotAnEvent) as error:
            return await settle.not_an_event(self._bus, held, self._stage.name, str(error))
        outcome = await self._admitted(held, event)
        self.account.tell(event, outcome)
        return outcome

    async def _admitted(self, held: Delivery, event: Event) -> str:
        if held.deliveries > self._settings.max_deliveries:
            reason = f"it was delivered {held.deliveries} times and never finished; its workers died or hung"
            return await settle.give_up(self._bus, held, event, self._stage.name, reason)
        admit = self._stage.admit if held.deliveries == 1 else everybody  # it was let in before
        try:
            async with admit(event, held.behind) as hurry:
                self._pull.hurry(hurry)
                return await self._until_settled(held, event)
        except Busy as error:
            event = delivery.emptied(held, event)
            return await self._turn_away.tell(held, event, error.with_traceback(None))

    async def _until_settled(self, held: Delivery, event: Event) -> str:
        rest = RETRY_SECONDS
        while (outcome := await self._in_turn(held, event)) == "waiting":
            try:
                async with asyncio.timeout(max(0.0, settle.due(event, held.stored_at) - self._bus.time())):
                    await self._wait(rest)
            except TimeoutError:
                return await settle.too_late(self._bus, held, event, self._stage.name)
            rest = min(rest * 2, AWAY_SECONDS)
        if outcome not in ("crashed", "given_up", "sick"):
            self._crashed = 0
        return outcome

    async def _wait(self, rest: float) -> None:
        """Until the engine works and *rest* is over; as many as work at once may wait beside them."""
        with contextlib.ExitStack() as place:
            if self._waiting < self._stage.credit:
                place.enter_context(self._pull.lent())
            self._waiting += 1
            try:
                await self._recovery.wait()
                await asyncio.sleep(rest)
            finally:
                self._waiting -= 1

    async def _in_turn(self, held: Delivery, event: Event) -> str:
        """Wait for a place among what runs, and run."""
        left = settle.due(event, held.stored_at) - self._bus.time()
        try:
            async with self._room.enter(alone=held.deliveries > 1, order=held.order, seconds=left):
                started = self._bus.time()
                with self.account.working(event, max(0.0, started - held.stored_at)):
                    outcome = await self._once(held, event, started)
        except NoPlace:
            return await settle.too_late(self._bus, held, event, self._stage.name)
        self.account.report(event, outcome, self._bus.time() - started)
        return outcome

    async def _once(self, held: Delivery, event: Event, started: float) -> str:
        due = settle.due(event, held.stored_at)
        if self._is_cancelled(held, event):
            await delivery.ack(held)
            return "cancelled"
        if due <= started:
            return await settle.too_late(self._bus, held, event, self._stage.name)
        run = self._running.entered(event, due - started)
        try:
            with run:
                await self._handle(held, run, started)
        except asyncio.CancelledError:
            if not self._is_cancelled(held, event):
                raise
            await delivery.ack(held)
            return "cancelled"
        except Exception as error:
            if run.expired:
                outcome = await settle.too_late(self._bus, held, event, self._stage.name)
            else:
                outcome = await self._failed(held, event, error)
            if isinstance(error, Sick):
                self._fall_sick(error)
            return outcome
        await failpoint.reach(failpoint.BEFORE_ACK)
        await delivery.ack(held)
        return "finished"

    def _is_cancelled(self, held: Delivery, event: Event) -> bool:
        return self._cancelled.has(event, held.stored_at - self._bus.skew)

    async def _handle(self, held: Delivery, run: Run, started: float) -> None:
        queue_ms = round(max(0.0, started - held.stored_at) * 1000, 1)
        async with tracing.engine(self._stage.name), aclosing(self._stage.handle(run.event)) as outputs:
            async for output in outputs:
                service_ms = round((self._bus.time() - started) * 1000, 1)
                step = Step(stage=self._stage.name, worker=self._name, queue_ms=queue_ms, service_ms=service_ms)
                await settle.publish(self._bus, follow(output, run.event, step), self._stage.name)
                self._running.published(run)
                await failpoint.reach(failpoint.AFTER_PUBLISH)

    async def _failed(self, held: Delivery, event: Event, error: Exception) -> str:
        match error:
            case Unavailable():
                self._recovery.down(str(error), self._group)
                if held.deliveries >= self._settings.max_deliveries - 1:
                    return "waiting"
                await delivery.nak(held, min(2.0**held.deliveries / 2, AWAY_SECONDS))
                return "unavailable"
            case Refused():
                return await settle.refuse(self._bus, held, event, self._stage.name, error)
            case NotAnEvent():  # what came of it is too long for a message: no second try is shorter
                refused = Refused(codes.TOO_LARGE, str(error))
                return await settle.refuse(self._bus, held, event, self._stage.name, refused)
            case Sick():
                await delivery.nak(held, 0)
                return "sick"
        log.error("handler_crashed", stage=self._stage.name, turn=event.turn, exc_info=error)
        if self._crashed not in (0, held.sequence):
            self._fall_sick(Sick(f"two messages in a row crashed {self._stage.name}; the last with {error!r}"))
        self._crashed = held.sequence
        if held.deliveries == 1:
            await delivery.nak(held, RETRY_SECONDS)
            return "crashed"
        return await settle.give_up(self._bus, held, event, self._stage.name, f"{type(error).__name__}: {error}")

    def _fall_sick(self, error: Sick) -> None:
        self._sick = self._sick or error
        self._stop.set()

    async def _on_cancel(self, message: Msg) -> None:
        if (cancel := heard(message)) is not None:
            self._cancelled.add(cancel)
            self._running.cancel(cancel)
