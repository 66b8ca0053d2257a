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


class Assembly:
    """What has come of a turn so far.

    An attempt is complete when its last sentence N is known and each of 0..N has one take with all its pieces;
    nothing is put together across attempts, nor a sentence across takes.
    """

    def __init__(self) -> None:
        self._transcription = ""
        self._attempts: dict[str, _Attempt] = {}
        self._newest = ""
        """Names of attempts sort by age."""

    def add(self, event: Event) -> Answer | Failed | None:
        """Take one event of the turn; give the answer once an attempt is complete, or the failure that ends the turn.

        A failure of an attempt that a newer one follows ends nothing.
        """
        self._newest = max(self._newest, event.attempt)
        match event:
            case Transcript():
                self._transcription = event.text
            case Sentence():
                self._attempt(event).write(event)
            case Speech():
                self._attempt(event).speak(event)
            case Failed():
                return event if event.attempt in ("", self._newest) else None
            case _:
                return None
        return self._complete(event.attempt)

    def _attempt(self, event: Event) -> "_Attempt":
        return self._attempts.setdefault(event.attempt, _Attempt())

    def _complete(self, name: str) -> Answer | None:
        attempt = self._attempts.get(name)
        wavs = attempt.wavs() if attempt else None
        if attempt is None or wavs is None:
            return None
        transcription = attempt.transcription or self._transcription
        return Answer(name, transcription, attempt.reply, wavs, attempt.trail)


class _Take:
    """One run of tts over one sentence."""

    def __init__(self) -> None:
        self.pieces: dict[int, bytes] = {}
        self.end: int | None = None

    @property
    def whole(self) -> bool:
        return self.end is not None and all(piece in self.pieces for piece in range(self.end + 1))


class _Attempt:
    """One run of llm over the transcript."""

    def __init__(self) -> None:
        self.transcription = ""
        self.trail: tuple[Step, ...] = ()
        self._reply = ""
        self._texts: dict[int, str] = {}
        self._last: int | None = None
        self._sentences: dict[int, dict[str, _Take]] = {}

    @property
    def reply(self) -> str:
        return self._reply or " ".join(text for _, text in sorted(self._texts.items()) if text)

    def write(self, sentence: Sentence) -> None:
        self._note(sentence)

    def speak(self, speech: Speech) -> None:
        self._note(speech)
        take = self._sentences.setdefault(speech.n, {}).setdefault(speech.take, _Take())
        take.pieces.setdefault(speech.piece, speech.wav)
        if speech.end:
            take.end = speech.piece
            self.trail = speech.trail if speech.last or not self.trail else self.trail

    def wavs(self) -> tuple[bytes, ...] | None:
        """Every piece in order, once all are there."""
        if self._last is None:
            return None
        wavs: list[bytes] = []
        for n in range(self._last + 1):
            take = next((take for take in self._sentences.get(n, {}).values() if take.whole), None)
            if take is None or take.end is None:
                return None
            wavs += (take.pieces[piece] for piece in range(take.end + 1))
        return tuple(wavs)

    def _note(self, event: Sentence | Speech) -> None:
        self.transcription = event.transcription or self.transcription
        self._reply = event.reply or self._reply
        if event.text:
            self._texts[event.n] = event.text
        if event.last:
            self._last = event.n
