"""What llm has to be told of answers that were not heard to their end: it travels with the next utterance.

llm may never have heard of it: an utterance that is itself interrupted says nothing to anybody. So each next one says
it again, until a turn that carried it was answered.
"""

from msgspec import Struct
from msgspec.structs import replace

from bus_schemas import Heard
from bus_schemas.events import MAX_HEARD

MOST_ASKED, MOST_TOLD = 1_000, 3_000
"""Characters of a question and of its answer that are told; in a header each may take 12 bytes."""


class _Past(Struct, frozen=True):
    """The turn that ended last."""

    turn: str
    transcription: str
    texts: tuple[str, ...]
    """Its sentences that were sent whole."""


class Interrupted:
    """The interrupted turns of one socket that llm may not know of."""

    def __init__(self) -> None:
        self._past = _Past("", "", ())
        self._untold: tuple[Heard, ...] = ()

    @property
    def told(self) -> Heard | None:
        """What the next utterance carries."""
        return replace(self._untold[-1], before=self._untold[:-1]) if self._untold else None

    def whole(self, turn: str, transcription: str, texts: tuple[str, ...]) -> None:
        """A turn ended, and all of it was sent; nothing is to be told unless `again` says so."""
        self._past = _Past(turn, transcription, texts)

    def cut(self, turn: str, transcription: str, texts: tuple[str, ...]) -> Heard:
        """A turn ended, and only these sentences of it were sent."""
        self._past = _Past(turn, transcription, texts)
        said = " ".join(filter(None, texts))
        heard = Heard(turn=turn, sentences=len(texts), transcription=transcription[:MOST_ASKED], text=said[:MOST_TOLD])
        earlier = tuple(other for other in self._untold if other.turn != turn)
        self._untold = _fitting((*earlier, heard))
        return heard

    def again(self, sentences: int) -> None:
        """Of the turn that ended last only so many sentences were really heard."""
        past = self._past
        if past.turn and sentences < len(past.texts):
            self.cut(past.turn, past.transcription, past.texts[:sentences])

    def known(self) -> None:
        """A turn was answered: llm has read what its utterance carried."""
        self._untold = ()


def _fitting(heard: tuple[Heard, ...]) -> tuple[Heard, ...]:
    """The latest, as many as an utterance's header has room for; first to go are those of which nothing was heard.

    A turn that was stopped in stt tells llm something only in the rare case that it went on there all the same.
    """
    while len(heard) > MAX_HEARD or (len(heard) > 1 and _length(heard) > MOST_ASKED + MOST_TOLD):
        needless = next((at for at, one in enumerate(heard[:-1]) if not one.transcription), 0)
        heard = heard[:needless] + heard[needless + 1 :]
    return heard


def _length(heard: tuple[Heard, ...]) -> int:
    return sum(len(one.transcription) + len(one.text) for one in heard)
