"""One turn's answer, told to a client while it is still being made.

What is told is always the beginning of one attempt, in order: sentence by sentence, piece by piece, each sentence by
one take. The newest attempt is told until one is complete; the first that is complete is told to its end. Of a
sentence the newest take is told until one is whole; then the first whole one. When that changes after sound has left,
the client hears so, and the answer comes again from its beginning.
"""

from msgspec import UNSET, Struct

from bus_schemas import Event, Failed
from bus_schemas.frames import Restarted, Spoken, Transcription

from .answer import Answer, Assembly, Take


class Piece(Struct, frozen=True):
    """A frame, and the WAV that follows it; without a byte where nothing is to be heard."""

    frame: Spoken
    wav: bytes


class Streaming:
    """What has come of a turn, and how much of it has been told.

    `add` takes the events, in any order and however often they come. `next` gives what is to be told, and `left` says
    that it has left; between the two more may be added. So a slow client is told of the turn as it stands when it has
    read, and nothing waits in a queue for it.
    """

    def __init__(self) -> None:
        self._assembly = Assembly()
        self._answer: Answer | None = None
        self._told: str | None = None
        """The transcription that the client knows."""
        self._attempt = ""
        self._n = self._piece = 0
        """What comes next."""
        self._take = ""
        """Whose pieces of sentence `n` were sent."""
        self._sounded = False
        self._same = 0
        """Sentences of this attempt that the client has had before it came again."""
        self._left = 0
        self._ended = False

    def add(self, event: Event) -> Answer | Failed | None:
        """Take one event; give the answer once an attempt is complete, or the failure that ends the turn."""
        if self._answer is not None:
            return None
        outcome = self._assembly.add(event)
        self._answer = outcome if isinstance(outcome, Answer) else None
        return outcome

    def next(self) -> Transcription | Restarted | Piece | Answer | None:
        """What to tell now: None until more comes, the answer once when all of it is told."""
        if self._ended:
            return None
        return self._restarted() or self._transcription() or self._spoken() or self._end()

    def left(self) -> None:
        """Everything that `next` gave has left for the client."""
        self._left = max(self._n, self._same)

    @property
    def transcription(self) -> str:
        """What the person said, as far as is known."""
        return self._assembly.transcription(self._attempt)

    @property
    def texts(self) -> tuple[str, ...]:
        """The sentences of which every piece has left."""
        texts = self._assembly.attempt(self._attempt).texts
        return tuple(texts.get(n, "") for n in range(self._left))

    def _restarted(self) -> Restarted | None:
        """Turn to the attempt and the take that count now."""
        name = self._answer.attempt if self._answer else self._assembly.newest
        take = self._assembly.attempt(name).take(self._n)
        if name == self._attempt and not (self._piece and take and take.name != self._take):
            return None
        sounded, self._sounded = self._sounded, False
        self._same = max(self._n, self._same) if name == self._attempt else 0
        self._left = min(self._left, self._same)
        self._attempt, self._n, self._piece = name, 0, 0
        return Restarted(True, self._same) if sounded else None

    def _transcription(self) -> Transcription | None:
        said = self.transcription
        silent = self._told is None and self._answer is not None
        if said == self._told or not (said or silent):
            return None
        self._told = said
        return Transcription(said)

    def _spoken(self) -> Piece | None:
        attempt = self._assembly.attempt(self._attempt)
        while (take := attempt.take(self._n)) and self._piece in take.pieces:
            if attempt.last is not None and self._n > attempt.last:
                return None
            n, piece, text = self._n, self._piece, attempt.texts.get(self._n, "")
            more = take.end != piece
            self._take, self._sounded = take.name, self._sounded or not _is_terminator(take, text)
            self._n, self._piece = (n, piece + 1) if more else (n + 1, 0)
            if not _is_terminator(take, text):
                return Piece(Spoken(llama=UNSET if piece else text, n=n, piece=piece, more=more), take.pieces[piece])
        return None

    def _end(self) -> Answer | None:
        self._ended = self._answer is not None
        return self._answer


def _is_terminator(take: Take, text: str) -> bool:
    """Whether it only ends an attempt: it says nothing, and is not sent."""
    return not text and take.end == 0 and not take.pieces[0]
