"""One turn's answer, assembled from the events that speak of it, in whatever order and however often they come."""

from msgspec import Struct

from bus_schemas import Event, Failed, Sentence, Speech, Step, Transcript


class Answer(Struct, frozen=True):
    """A whole answer: every sentence of one attempt, each spoken by one take."""

    attempt: str
    transcription: str
    reply: str
    wavs: tuple[bytes, ...]
    """The WAV of every piece, in order; some may be empty."""
    trail: tuple[Step, ...]


class Take:
    """One run of tts over one sentence."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pieces: dict[int, bytes] = {}
        self.end: int | None = None

    @property
    def whole(self) -> bool:
        return self.end is not None and all(piece in self.pieces for piece in range(self.end + 1))


class Attempt:
    """One run of llm over the transcript."""

    def __init__(self) -> None:
        self.transcription = ""
        self.trail: tuple[Step, ...] = ()
        self.texts: dict[int, str] = {}
        self.last: int | None = None
        """The number of its last sentence, once that is known."""
        self._reply = ""
        self._takes: dict[int, dict[str, Take]] = {}
        self._whole: dict[int, Take] = {}

    @property
    def reply(self) -> str:
        return self._reply or " ".join(text for _, text in sorted(self.texts.items()) if text)

    def write(self, sentence: Sentence) -> None:
        self._note(sentence)

    def speak(self, speech: Speech) -> None:
        self._note(speech)
        take = self._takes.setdefault(speech.n, {}).setdefault(speech.take, Take(speech.take))
        take.pieces.setdefault(speech.piece, speech.wav)
        if speech.end:
            take.end = speech.piece
            self.trail = speech.trail if speech.last or not self.trail else self.trail
        if take.whole:
            self._whole.setdefault(speech.n, take)

    def take(self, n: int) -> Take | None:
        """The take of sentence *n* that counts: the first that became whole; until then the newest."""
        if n in self._whole:
            return self._whole[n]
        takes = self._takes.get(n)
        return takes[max(takes)] if takes else None  # names of takes sort by age

    def wavs(self) -> tuple[bytes, ...] | None:
        """Every piece in order, once all are there."""
        if self.last is None:
            return None
        wavs: list[bytes] = []
        for n in range(self.last + 1):
            take = self._whole.get(n)
            if take is None or take.end is None:
                return None
            wavs += (take.pieces[piece] for piece in range(take.end + 1))
        return tuple(wavs)

    def _note(self, event: Sentence | Speech) -> None:
        self.transcription = event.transcription or self.transcription
        self._reply = event.reply or self._reply
        if event.text:
            self.texts[event.n] = event.text
        if event.last:
            self.last = event.n


class Assembly:
    """What has come of a turn so far.

    An attempt is complete when its last sentence N is known and each of 0..N has one take with all its pieces;
    nothing is put together across attempts, nor a sentence across takes.
    """

    def __init__(self) -> None:
        self.newest = ""
        """The newest attempt: names of attempts sort by age."""
        self._transcription = ""
        self._attempts: dict[str, Attempt] = {}

    def add(self, event: Event) -> Answer | Failed | None:
        """Take one event of the turn; give the answer once an attempt is complete, or the failure that ends the turn.

        A failure of an attempt that a newer one follows ends nothing.
        """
        self.newest = max(self.newest, event.attempt)
        match event:
            case Transcript():
                self._transcription = event.text
            case Sentence():
                self.attempt(event.attempt).write(event)
            case Speech():
                self.attempt(event.attempt).speak(event)
            case Failed():
                return event if event.attempt in ("", self.newest) else None
            case _:
                return None
        return self._complete(event.attempt)

    def attempt(self, name: str) -> Attempt:
        """What has come of one attempt."""
        return self._attempts.setdefault(name, Attempt())

    def transcription(self, name: str) -> str:
        """What was heard, as far as is known to the attempt *name*."""
        return self.attempt(name).transcription or self._transcription

    def _complete(self, name: str) -> Answer | None:
        attempt = self._attempts.get(name)
        wavs = attempt.wavs() if attempt else None
        if attempt is None or wavs is None:
            return None
        return Answer(name, self.transcription(name), attempt.reply, wavs, attempt.trail)
