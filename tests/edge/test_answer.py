"""An answer is one attempt, whole; each of its sentences is one take, whole; order and repeats mean nothing."""

from hypothesis import given
from hypothesis import strategies as st

from bus_schemas import Event, Failed, Sentence, Speech, Step, Transcript
from services.edge.answer import Answer, Assembly

STEPS = tuple(Step(stage=stage, worker="w", queue_ms=1, service_ms=2) for stage in ("stt", "llm", "tts"))


def spoken(attempt: str, n: int, take: str = "t1", pieces: int = 2, last: bool = False) -> list[Speech]:
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
            wav=f"{attempt}{n}{take}{piece}".encode(),
            trail=STEPS,
        )
        for piece in range(pieces)
    ]


def first(*events: Event) -> Answer | Failed | None:
    assembly = Assembly()
    return next((outcome for event in events if (outcome := assembly.add(event))), None)


WHOLE = [*spoken("a", 0), *spoken("a", 1), *spoken("a", 2, last=True)]


@given(st.permutations([*WHOLE, *WHOLE[:3], Sentence(attempt="a", n=2, text="a2", last=True)]))
def test_the_answer_is_the_same_in_any_order_and_with_repeats(events: list[Event]) -> None:
    """Pieces by number, sentences by number, each once."""
    answer = first(*events)

    assert isinstance(answer, Answer)
    assert answer.wavs == tuple(speech.wav for speech in WHOLE)
    assert (answer.attempt, answer.transcription, answer.reply) == ("a", "hello", "a reply")
    assert answer.trail == STEPS


@given(st.integers(0, len(WHOLE) - 1), st.permutations(WHOLE))
def test_without_every_piece_there_is_no_answer(missing: int, events: list[Event]) -> None:
    """One lost piece, wherever, and the turn is still open."""
    assert first(*(event for event in events if event != WHOLE[missing])) is None


def test_the_last_sentence_may_be_known_from_its_text_alone() -> None:
    """The `last` of the text event counts as that of the speech does."""
    assert first(Sentence(attempt="a", n=1, text="", last=True, reply="r"), *spoken("a", 0)) is None
    answer = first(Sentence(attempt="a", n=1, text="", last=True, reply="r"), *spoken("a", 0), *spoken("a", 1))

    assert isinstance(answer, Answer)
    assert answer.reply == "r"


def test_two_takes_of_a_sentence_are_never_mixed() -> None:
    """Half of one and half of another are no sentence; the first whole take is."""
    one, two = spoken("a", 0, "t1", 3, last=True), spoken("a", 0, "t2", 3, last=True)

    assert first(one[0], one[1], two[2]) is None
    answer = first(one[0], one[1], two[2], two[1], two[0])
    assert isinstance(answer, Answer)
    assert answer.wavs == tuple(speech.wav for speech in two)


def test_takes_of_different_lengths_are_each_measured_by_their_own_end() -> None:
    """A take that cuts its sentence in fewer pieces ends where it says."""
    answer = first(*spoken("a", 0, "t1", 3, last=True)[:2], *spoken("a", 0, "t2", 1, last=True))

    assert isinstance(answer, Answer)
    assert answer.wavs == (b"a0t20",)


def test_two_attempts_are_never_mixed_and_the_first_complete_one_wins() -> None:
    """A newer attempt that is not whole does not hold the older one back."""
    old, new = [*spoken("a", 0), *spoken("a", 1, last=True)], [*spoken("b", 0), *spoken("b", 1, last=True)]

    assert first(*old[:2], *new[2:]) is None
    answer = first(*old[:2], *new[:3], *old[2:], *new[3:])
    assert isinstance(answer, Answer)
    assert answer.attempt == "a"


def test_a_failure_of_an_older_attempt_is_ignored() -> None:
    """The newest attempt's failure and the whole turn's end the turn."""
    old, new = (Failed(attempt=name, stage="llm", code="crashed", message="m") for name in "ab")
    whole = Failed(stage="stt", code="crashed", message="m")

    assert first(*spoken("b", 0), old) is None
    assert first(*spoken("a", 0), old) is old
    assert first(*spoken("a", 0), new) is new
    assert first(*spoken("b", 0), whole) is whole


def test_silence_is_an_answer_without_words_or_sound() -> None:
    """stt ends a silent turn with empty speech of no attempt."""
    answer = first(Transcript(text="", seconds=1.0), Speech(n=0, take="t", end=True, last=True))

    assert isinstance(answer, Answer)
    assert (answer.transcription, answer.reply, answer.wavs) == ("", "", (b"",))


def test_what_the_speech_does_not_say_comes_from_the_texts() -> None:
    """The transcript gives the transcription, the sentences give the reply."""
    answer = first(
        Transcript(text="a question", seconds=1.0),
        Sentence(attempt="a", n=1, text="Two.", last=True),
        Sentence(attempt="a", n=0, text="One."),
        Speech(attempt="a", n=0, take="t", end=True),
        Speech(attempt="a", n=1, take="t", end=True),
    )

    assert isinstance(answer, Answer)
    assert (answer.transcription, answer.reply) == ("a question", "One. Two.")
