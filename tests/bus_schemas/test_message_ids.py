"""A message id is the same for the same event, and another for another: the broker drops what it knows."""

from itertools import combinations

import pytest
from msgspec.structs import replace

from bus_schemas import Event, Failed, Sentence, Speech, Transcript, Utterance, codec

SENTENCE = Sentence(origin="a", session="s", turn="t", attempt="x", n=0, text="hi")
SPEECH = Speech(origin="a", session="s", turn="t", attempt="x", n=0, take="k")
FAILED = Failed(origin="a", session="s", turn="t", stage="llm", code="crashed", message="m")

DIFFERENT: dict[str, tuple[Event, ...]] = {
    "sentences": (SENTENCE, replace(SENTENCE, n=1), replace(SENTENCE, n=11)),
    "attempts": (SENTENCE, replace(SENTENCE, attempt="y"), replace(SENTENCE, attempt="")),
    "spoken sentences": (SPEECH, replace(SPEECH, n=1)),
    "takes": (SPEECH, replace(SPEECH, take="l")),
    "pieces": (SPEECH, replace(SPEECH, piece=1)),
    "origins with the same session and turn": (SENTENCE, replace(SENTENCE, origin="b")),
    "sessions with the same turn": (SENTENCE, replace(SENTENCE, session="z")),
    "turns": (SENTENCE, replace(SENTENCE, turn="u")),
    "runs": (SENTENCE, replace(SENTENCE, run=1)),
    "kinds": (
        Utterance(origin="a", session="s", turn="t"),
        Transcript(origin="a", session="s", turn="t", text="", seconds=0.0),
        SENTENCE,
        SPEECH,
        FAILED,
    ),
    "failures of the turn and of attempts": (FAILED, replace(FAILED, attempt="x"), replace(FAILED, attempt="y")),
}


@pytest.mark.parametrize("events", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_different_events_have_different_ids(events: tuple[Event, ...]) -> None:
    """With one id for two, the second would never be stored."""
    for one, other in combinations(events, 2):
        assert codec.message_id(one) != codec.message_id(other)


def test_the_same_event_has_the_same_id_whatever_time_it_took() -> None:
    """A repeated publish is stored once."""
    assert codec.message_id(SPEECH) == codec.message_id(replace(SPEECH, text="hi", wav=b"RIFF", end=True))


def test_an_id_begins_with_its_origin() -> None:
    """So the ids of two parties never meet."""
    assert codec.message_id(SPEECH) == "a.s.t.0.speech.x.0.k.0"


def test_an_event_without_a_turn_has_no_id() -> None:
    """It would be the same for all of a session."""
    assert codec.encode(Utterance(origin="a", session="s")).headers.get(codec.MESSAGE_ID) is None
