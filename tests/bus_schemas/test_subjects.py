"""Subjects: who may be named in one, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus_schemas import BadSubject, Cancel, Event, Utterance, codec, subjects
from bus_schemas.events import EVENTS
from bus_schemas.subjects import Address

HOSTILE = [
    "",
    "a.b",
    "a b",
    "*",
    ">",
    "a*",
    "a\n",
    "\n",
    "a\tb",
    "a\r\nPUB x 1",
    "x" * 65,
    "você",
    "٣",
    "a\0",
    "👋",
    "\ud800",
]

hostile = pytest.mark.parametrize("token", HOSTILE, ids=ascii)
each_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.NAME)


@each_event
def test_a_subject_says_what_who_and_where(event: type[Event]) -> None:
    """`voice.<event>.<origin>.<session>`, and back."""
    found = subjects.subject(event, "kiosk-7", "42")
    assert found == f"voice.{event.NAME}.kiosk-7.42"
    assert subjects.parse(found) == Address(event, "kiosk-7", "42")


def test_wildcards_are_for_every_conversation_or_every_event_of_one() -> None:
    """What a stage reads, and what a requester reads."""
    assert subjects.every(Utterance) == "voice.utterance.*.*"
    assert subjects.conversation("kiosk-7", "42") == "voice.*.kiosk-7.42"


@hostile
def test_a_hostile_name_is_refused_when_a_subject_is_made(token: str) -> None:
    """It could reach another's conversation, or the broker's own protocol."""
    for make in (
        lambda: codec.encode(Utterance(origin=token, session="42")),
        lambda: codec.encode(Utterance(origin="kiosk-7", session=token)),
        lambda: subjects.conversation(token, "42"),
        lambda: subjects.conversation("kiosk-7", token),
    ):
        with pytest.raises(BadSubject):
            make()


@hostile
def test_a_hostile_name_is_refused_when_a_subject_is_read(token: str) -> None:
    """Nothing of it is taken over into an answer's subject."""
    for subject in (f"voice.utterance.{token}.42", f"voice.utterance.kiosk-7.{token}"):
        with pytest.raises(BadSubject):
            codec.decode(subject, b"RIFF")


@hostile
def test_a_hostile_turn_is_refused_before_it_is_in_a_message_id(token: str) -> None:
    """A line feed there would be another header."""
    if token:
        with pytest.raises(codec.NotAnEvent):
            codec.encode(Cancel(origin="o", session="s", turn=f"a {token}"))


@pytest.mark.parametrize("subject", ["", "voice", "voice.utterance", "voice.utterance.a", "voice.utterance.a.b.c"])
def test_a_subject_with_another_number_of_parts_is_refused(subject: str) -> None:
    """Four, always."""
    with pytest.raises(BadSubject, match="voice"):
        subjects.parse(subject)


@pytest.mark.parametrize("subject", ["voice.Utterance.a.b", "voice.order.a.b", "noise.utterance.a.b", "voice..a.b"])
def test_a_subject_of_no_event_is_refused(subject: str) -> None:
    """The message lists the events that there are."""
    with pytest.raises(BadSubject, match=r"utterance\|transcript\|sentence"):
        subjects.parse(subject)


@given(st.text())
def test_any_text_is_a_subject_or_is_refused(text: str) -> None:
    """What is taken as one is written back the same."""
    try:
        address = subjects.parse(text)
    except BadSubject:
        return
    assert subjects.subject(address.event, address.origin, address.session) == text


@given(st.text())
def test_any_text_is_a_name_or_is_refused(text: str) -> None:
    """Only A to Z, a to z, 0 to 9, `_` and `-` get through."""
    try:
        taken = subjects.token(text, "session")
    except BadSubject:
        return
    assert taken.isascii()
    assert taken.replace("_", "").replace("-", "").isalnum() or not taken.strip("_-")
    assert 1 <= len(taken) <= 64
