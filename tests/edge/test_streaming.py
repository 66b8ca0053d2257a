"""What is told of an answer while it is made: always the beginning of one attempt, in order, each sentence one take."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from bus_schemas import Event, Failed, Sentence, Speech, Transcript
from bus_schemas.frames import Restarted, Transcription
from services.edge.answer import Answer
from services.edge.streaming import Piece, Streaming


def spoken(attempt: str, n: int, take: str = "t1", pieces: int = 2, last: bool = False) -> list[Event]:
    return [
        Speech(
            attempt=attempt,
            n=n,
            take=take,
            piece=piece,
            end=piece == pieces - 1,
            last=last,
            text=f"{attempt}{n}",
            transcription="hello",
            reply=f"{attempt} reply" if last else "",
            wav=f"{attempt} {n} {take} {piece}".encode(),
        )
        for piece in range(pieces)
    ]


class Listener:
    """A client that believes nothing: it checks every frame against those before."""

    def __init__(self) -> None:
        self.streaming = Streaming()
        self.heard: list[bytes] = []
        self.before: list[bytes] = []
        self.answers: list[Answer] = []
        self.restarts: list[int] = []
        self.transcriptions: list[str] = []
        self._expected = (0, 0)

    def listen(self, most: int = 1000) -> None:
        """Take what there is, at most so many frames."""
        while most and (told := self.streaming.next()):
            most -= 1
            assert not self.answers, "nothing comes after the end"
            match told:
                case Transcription():
                    self.transcriptions.append(told.transcription)
                case Restarted():
                    self._restart(told)
                case Piece():
                    self._hear(told)
                case Answer():
                    self.answers.append(told)
            self.streaming.left()

    def _restart(self, told: Restarted) -> None:
        assert self.heard, "sound had left"
        self.restarts.append(told.same)
        self.before = [wav for wav in self.heard if int(wav.split()[1]) < told.same] if told.same else []
        self.heard, self._expected = [], (0, 0)

    def _hear(self, told: Piece) -> None:
        attempt, n, take, piece = told.wav.decode().split()
        assert (told.frame.n, told.frame.piece) == self._expected == (int(n), int(piece))
        assert told.frame.llama == (UNSET if told.frame.piece else f"{attempt}{n}")
        for other in self.heard:
            others = other.decode().split()
            assert others[0] == attempt, "one attempt"
            assert others[1] != n or others[2] == take, "one take a sentence"
        self.heard.append(told.wav)
        common = min(len(self.heard), len(self.before))
        assert self.heard[:common] == self.before[:common], "what is said to be the same is"
        self._expected = (told.frame.n, told.frame.piece + 1) if told.frame.more else (told.frame.n + 1, 0)


TRANSCRIPT = Transcript(text="hello", seconds=1.0)
OLD = [*spoken("a", 0), *spoken("a", 1, pieces=3), *spoken("a", 2, last=True)]
OTHER_TAKES = [*spoken("a", 0, "t2", 3), *spoken("a", 1, "t0", 2)]
NEW = [*spoken("b", 0), *spoken("b", 1, last=True)]
EVENTS: list[Event] = [TRANSCRIPT, Sentence(attempt="a", n=0, text="a0"), *OLD, *OTHER_TAKES, *NEW]


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 3)), max_size=60), st.permutations(EVENTS))
def test_whatever_comes_however_often_one_attempt_is_told_in_order_and_ends_once(
    noise: list[tuple[Event, int]], rest: list[Event]
) -> None:
    """Two attempts, two takes of a sentence, any order, repeats, a client that reads fast or slowly."""
    listener = Listener()
    for event, most in noise:
        listener.streaming.add(event)
        listener.listen(most)
    for event in rest:
        listener.streaming.add(event)
    listener.listen()

    (answer,) = listener.answers
    assert [wav.decode().split()[:2] for wav in listener.heard] == [wav.decode().split()[:2] for wav in answer.wavs]
    assert listener.heard == list(answer.wavs)
    assert listener.transcriptions == ["hello"]
    assert listener.streaming.texts == tuple(f"{answer.attempt}{n}" for n in range(3 if answer.attempt == "a" else 2))


def told(*events: Event) -> Listener:
    """A client that reads at once."""
    listener = Listener()
    for event in events:
        listener.streaming.add(event)
        listener.listen()
    return listener


def test_a_piece_leaves_as_soon_as_those_before_it_have() -> None:
    """Neither the end of its sentence nor the last sentence is waited for."""
    listener = told(TRANSCRIPT, *OLD[:3])

    assert (listener.transcriptions, listener.heard) == (["hello"], [b"a 0 t1 0", b"a 0 t1 1", b"a 1 t1 0"])
    assert listener.streaming.texts == ("a0",)


def test_a_newer_attempt_is_told_instead_and_who_has_heard_the_older_is_told_so() -> None:
    """Whoever has heard nothing yet is not."""
    assert told(*OLD[:3], *NEW).restarts == [0]
    assert told(*OLD[1:3], *NEW).restarts == []
    assert told(*OLD[:3], *NEW).heard == [b"b 0 t1 0", b"b 0 t1 1", b"b 1 t1 0", b"b 1 t1 1"]


def test_the_first_complete_attempt_is_told_even_if_a_newer_one_has_begun() -> None:
    """It is the one that the session remembers."""
    listener = told(*OLD[:4], NEW[0], *OLD[4:], *NEW[1:])

    assert listener.restarts == [0, 0]
    assert [answer.attempt for answer in listener.answers] == ["a"]


def test_a_take_that_breaks_off_is_not_gone_on_with_by_another() -> None:
    """The answer comes again, and the sentences before it are said to be the same."""
    listener = told(*OLD[:4], *spoken("a", 1, "t2"), *OLD[5:])

    assert listener.restarts == [1]
    assert listener.heard[2:4] == [b"a 1 t2 0", b"a 1 t2 1"]
    assert len(listener.answers) == 1


def test_a_take_that_is_told_whole_stays_whatever_else_comes() -> None:
    assert told(*OLD[:3], *spoken("a", 0, "t9"), *OLD[3:]).restarts == []


def test_what_has_left_counts_and_not_what_was_taken_out() -> None:
    """The last piece of a sentence is still on its way."""
    streaming = Streaming()
    for event in OLD[:2]:
        streaming.add(event)
    for _ in range(2):  # the transcription, the first piece
        streaming.next()
        streaming.left()
    streaming.next()
    before = streaming.texts
    streaming.left()
    assert (before, streaming.texts) == ((), ("a0",))


def test_what_was_heard_before_it_came_again_the_same_still_counts() -> None:
    listener = told(*OLD[:4])
    for event in spoken("a", 1, "t2"):
        listener.streaming.add(event)
    listener.listen(1)

    assert listener.restarts == [1]
    assert listener.streaming.texts == ("a0",)


def test_a_terminator_is_not_told() -> None:
    """An attempt may end with a sentence of nothing, and silence is nothing but that."""
    ended = told(*spoken("a", 0), Speech(attempt="a", n=1, take="t", end=True, last=True, reply="r"))
    assert (len(ended.heard), [answer.reply for answer in ended.answers]) == (2, ["r"])

    silent = told(Speech(n=0, take="t", end=True, last=True))
    assert (silent.transcriptions, silent.heard, len(silent.answers)) == ([""], [], 1)


def test_a_sentence_of_which_nothing_can_be_said_is_told_without_sound() -> None:
    """Its text is part of the reply."""
    streaming = Streaming()
    streaming.add(Speech(attempt="a", n=0, take="t", end=True, text="...", transcription="hello"))
    assert streaming.next() == Transcription("hello")
    piece = streaming.next()

    assert isinstance(piece, Piece)
    assert (piece.frame.llama, piece.frame.more, piece.wav) == ("...", False, b"")


def test_a_failure_ends_it_unless_the_answer_is_complete_or_an_attempt_follows() -> None:
    """As it is for an answer that is sent whole."""
    failed = Failed(attempt="a", stage="tts", code="crashed", message="m")
    for events, ends in ((OLD[:2], True), ([*OLD[:2], NEW[0]], False), (OLD, False)):
        streaming = Streaming()
        for event in events:
            streaming.add(event)
        assert isinstance(streaming.add(failed), Failed) is ends
