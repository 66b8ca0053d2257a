"""Which turns nobody waits for any more: bounded, lossy, only ever a saving."""

import time
from collections import OrderedDict

import structlog
from nats.aio.msg import Msg

from bus_schemas import BadSubject, Cancel, Event, NotAnEvent, codec

MOST = 10_000

log = structlog.get_logger()

Key = tuple[str, str, str, int]


class Cancelled:
    """Remembers the last cancels."""

    def __init__(self) -> None:
        self._at: OrderedDict[Key, float] = OrderedDict()

    def add(self, cancel: Cancel) -> None:
        """Remember a cancel of a turn, or, with an empty turn, of a session until now."""
        key = (cancel.origin, cancel.session, cancel.turn, cancel.run)
        self._at[key] = time.time()
        self._at.move_to_end(key)
        while len(self._at) > MOST:
            self._at.popitem(last=False)

    def has(self, event: Event, stored_at: float) -> bool:
        """Whether *event*, stored at *stored_at* (by this machine's clock), is of a turn that was cancelled."""
        if (event.origin, event.session, event.turn, event.run) in self._at:
            return True
        return stored_at < self._at.get((event.origin, event.session, "", 0), 0.0)


def heard(message: Msg) -> Cancel | None:
    """The cancel that *message* is; None when it is none."""
    try:
        cancel = codec.decode(message.subject, message.data, message.headers)
    except (BadSubject, NotAnEvent) as error:
        log.warning("cancel_rejected", subject=message.subject, error=str(error))
        return None
    return cancel if isinstance(cancel, Cancel) else None


def concerns(cancel: Cancel, event: Event) -> bool:
    """Whether *cancel* ends the turn of *event*."""
    if (cancel.origin, cancel.session) != (event.origin, event.session):
        return False
    return not cancel.turn or (cancel.turn, cancel.run) == (event.turn, event.run)
