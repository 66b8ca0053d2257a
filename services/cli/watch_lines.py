"""`voicebus watch` off a terminal: a line an event, for people who read a log, or JSON for programs."""

import time

import msgspec

from services.runtime.sightings import ASKED, STARTED, Sighting

from .console import safe
from .watch_board import Board
from .watch_items import Broker, Depths, Item, Missed, Said, Worker


class Lines:
    """What to print of each item; what has not changed is not told again."""

    def __init__(self, board: Board, *, as_json: bool) -> None:
        self._board = board
        self._json = as_json
        self._known: dict[str, Item] = {}

    def of(self, item: Item) -> str:
        """The line of *item*, before the board takes it; empty when there is nothing new in it."""
        if isinstance(item, Depths | Worker):
            name = item.id if isinstance(item, Worker) else ""
            before = self._known.get(name)
            self._known[name] = item
            if isinstance(item, Worker) and item.gone:
                del self._known[name]
            known = before is not None and (isinstance(item, Worker) and not item.gone and not self._json)
            if before == item or known:  # how busy a worker is, is for programs
                return ""
        if isinstance(item, Sighting) and self._board.knows(item):
            return ""
        return _json(item) if self._json else f"{_clock(item)}  {self._text(item)}"

    def _text(self, item: Item) -> str:
        match item:
            case Sighting():
                return f"{_who(item)}  {item.service:<4}  {self._happened(item)}"
            case Said():
                return f"{_who(item)}  {item.who}: {safe(item.text)}"
            case Worker():
                runs = " ".join(filter(None, (item.engine, item.model, item.device)))
                state = "has gone" if item.gone else "is here"
                return safe(f"{item.stage} worker {item.worker} {state}  {runs}".rstrip())
            case Depths(queues, letters):
                told = "  ".join(f"{stage} {depth.waiting}+{depth.working}" for stage, depth in queues.items())
                return f"queues, waiting + in work: {told}; {letters} dead letters"
            case Broker(there):
                return "the broker is there again" if there else f"the broker is away: {item.why}"
            case Missed(count):
                return f"{count} events were missed: too many came at once"

    def _happened(self, seen: Sighting) -> str:
        if seen.what == ASKED:
            return "asked"
        if seen.what == STARTED:
            return f"started after {seen.queue_ms:.0f} ms in the queue, by {safe(seen.worker)}"
        turn = self._board.turns.get((seen.origin, seen.session, seen.turn, seen.run))
        code = f" {safe(seen.code)}" if seen.code and seen.code != seen.what else ""
        if turn is None:
            return f"{safe(seen.what)}{code}"
        if seen.service == "edge":
            return f"{safe(seen.what)}{code} after {seen.at - turn.began:.2f} s"
        began = turn.lanes[seen.service].open.get(seen.n) if seen.service in turn.lanes else None
        return f"{safe(seen.what)}{code}" + (f" after {1000 * (seen.at - began):.0f} ms" if began is not None else "")


def snapshot(board: Board, now: float) -> str:
    """Everything that is seen now, as one line of JSON."""
    turns = [
        {
            "origin": turn.origin,
            "session": turn.session,
            "turn": turn.turn,
            "run": turn.run,
            "seconds": round((turn.ended or now) - turn.began, 3),
            "outcome": turn.outcome,
            "lanes": turn.lanes,
        }
        for turn in board.turns.values()
    ]
    told = {
        "broker": board.broker.there,
        "queues": board.depths.queues,
        "letters": board.depths.letters,
        "workers": list(board.workers.values()),
        "turns": turns,
        "failures": list(board.failures),
    }
    return msgspec.json.encode(told).decode()


def _json(item: Item) -> str:
    if isinstance(item, Sighting):
        return msgspec.json.encode({"kind": "turn", **msgspec.to_builtins(item)}).decode()
    return msgspec.json.encode(item).decode()


def _who(item: Sighting | Said) -> str:
    return safe(f"{item.origin}/{item.session} {item.turn[-6:]}")


def _clock(item: Item) -> str:
    return time.strftime("%H:%M:%S", time.localtime(item.at if isinstance(item, Sighting) else None))
