"""The ends of a message that did not finish: what is published for whom, before the broker forgets it."""

import asyncio

import msgspec
import structlog

from bus_schemas import BadSubject, Dead, Event, Failed, NotAnEvent, codec, codes, subjects
from bus_schemas.events import DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS

from . import delivery, failpoint, metrics
from .bus import Bus
from .delivery import Delivery
from .errors import Busy, QueueFull, Refused, Unavailable

SETTLE_SECONDS = 20.0
"""How long an ending may wait for the broker; then the message comes again and ends then."""
LONGEST_PAUSE = 2.0
MOST_CHARACTERS = 1000
"""Of a reason: an exception may quote all that it choked on."""

log = structlog.get_logger()


def due(event: Event, stored_at: float) -> float:
    """When *event* is too late, seconds since 1970; never later than the longest time-out after it was stored."""
    asked = event.deadline / 1000 if event.deadline else stored_at + DEFAULT_TIMEOUT_MS / 1000
    return min(asked, stored_at + MAX_TIMEOUT_MS / 1000)


async def publish(bus: Bus, event: Event, stage: str) -> None:
    """Publish until the broker has it: done work waits in place, the caller bounds how long."""
    pause = 0.05
    while True:
        try:
            await bus.publish(event)
            return
        except (QueueFull, Unavailable) as error:
            metrics.of(stage).retries.inc()
            log.warning("publish_waits", stage=stage, turn=event.turn, why=str(error))
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


async def refuse(bus: Bus, held: Delivery, event: Event, stage: str, error: Refused) -> str:
    """The sender's fault."""
    return await _end(bus, held, "refused", _failed(event, stage, error.code, error.message))


async def busy(bus: Bus, held: Delivery, event: Event, stage: str, error: Busy) -> str:
    """It is over its sender's share."""
    told = msgspec.structs.replace(_failed(event, stage, codes.BUSY, str(error)), retry_after=error.retry_after)
    return await _end(bus, held, "busy", told)


async def too_late(bus: Bus, held: Delivery, event: Event, stage: str) -> str:
    """Nobody waits any more."""
    late = bus.time() - due(event, held.stored_at)
    message = f"the turn's time was over {late:.1f} s ago, in {stage}; ask again, or with a longer timeout"
    return await _end(bus, held, "deadline", _failed(event, stage, codes.DEADLINE, message))


async def give_up(bus: Bus, held: Delivery, event: Event, stage: str, reason: str) -> str:
    """It crashed, or killed its workers, too often."""
    message = f"{stage} could not work on this turn; the operator has it as a dead letter. Try again."
    letter = delivery.dead(
        held,
        origin=event.origin,
        session=event.session,
        turn=event.turn,
        stage=stage,
        code=codes.CRASHED,
        reason=reason[:MOST_CHARACTERS],
    )
    letter = msgspec.structs.replace(letter, run=event.run)
    log.error(
        "event_given_up", stage=stage, turn=event.turn, deliveries=held.deliveries, reason=reason[:MOST_CHARACTERS]
    )
    return await _end(bus, held, "given_up", _failed(event, stage, codes.CRASHED, message), letter)


async def not_an_event(bus: Bus, held: Delivery, stage: str, reason: str) -> str:
    """What was published cannot be read; its sender, if the subject names one, is told."""
    log.warning("message_rejected", stage=stage, subject=held.message.subject, reason=reason)
    try:
        address = subjects.parse(held.message.subject)
        origin, session = address.origin, address.session
    except BadSubject:
        origin, session = "unknown", "unknown"
    reason = reason[:MOST_CHARACTERS]
    turn = codec.named_turn(held.message.data, held.message.headers)
    letter = delivery.dead(
        held, origin=origin, session=session, turn=turn, stage=stage, code=codes.NOT_AN_EVENT, reason=reason
    )
    told = Failed(
        origin=origin, session=session, turn=letter.turn, stage=stage, code=codes.NOT_AN_EVENT, message=reason
    )
    return await _end(bus, held, "rejected", told, letter)


def _failed(event: Event, stage: str, code: str, message: str) -> Failed:
    return Failed(
        origin=event.origin,
        session=event.session,
        turn=event.turn,
        run=event.run,
        attempt=event.attempt,
        language=event.language,
        trail=event.trail,
        stage=stage,
        code=code,
        message=message[:MOST_CHARACTERS],
    )


async def _tell(bus: Bus, ending: Event, stage: str) -> None:
    """Publish one ending; one that no message can hold is better lost than its worker."""
    try:
        await publish(bus, ending, stage)
    except (NotAnEvent, Refused) as error:
        log.error("ending_lost", stage=stage, turn=ending.turn, ending=ending.NAME, error=str(error)[:MOST_CHARACTERS])


async def _end(bus: Bus, held: Delivery, outcome: str, first: Failed, *more: Event) -> str:
    """Publish the endings, then forget the message; when the broker is away, leave it for another time."""
    try:
        async with asyncio.timeout(SETTLE_SECONDS):
            for ending in (first, *more):
                await _tell(bus, ending, first.stage)
                if more:
                    await failpoint.reach(failpoint.SETTLING_DEAD)
    except TimeoutError:
        await delivery.nak(held, LONGEST_PAUSE)
        return "unsettled"
    for letter in more:
        if isinstance(letter, Dead):
            metrics.DEAD_LETTERS.labels(letter.stage, letter.code).inc()
    await delivery.term(held)
    return outcome
