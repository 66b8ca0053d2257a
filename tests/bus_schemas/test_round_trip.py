"""Every event comes back from its message as it was, and its bytes do not drift."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus_schemas import Event, Sentence, Speech, codec
from bus_schemas.events import EVENTS
from tests.bus_schemas import golden
from tests.bus_schemas.samples import SAMPLES

each_sample = pytest.mark.parametrize("event", SAMPLES, ids=lambda event: event.NAME)


def test_every_event_has_a_sample() -> None:
    """A new event without one is not tested at all."""
    assert [type(sample) for sample in SAMPLES] == list(EVENTS)


@each_sample
def test_a_sample_shows_every_field(event: Event) -> None:
    """A new field that no sample has would not be in the golden bytes."""
    plain = [field.name for field in msgspec.structs.fields(event) if getattr(event, field.name) == field.default]
    assert plain == []


@each_sample
def test_every_event_survives_its_round_trip(event: Event) -> None:
    """What one service writes is what the next one reads."""
    message = codec.encode(event)
    assert codec.decode(message.subject, message.payload, message.headers) == event


@each_sample
def test_header_values_may_be_lists(event: Event) -> None:
    """A client with the optional fast parser gives lists of one."""
    message = codec.encode(event)
    headers = {name: [value] for name, value in message.headers.items()}
    assert codec.decode(message.subject, message.payload, headers) == event


@each_sample
def test_the_bytes_of_an_event_do_not_drift(event: Event) -> None:
    """Another system reads these very bytes; a change here breaks it."""
    assert golden.written(event) == golden.path(event).read_bytes()


@each_sample
def test_the_golden_bytes_are_the_event(event: Event) -> None:
    """Messages of an earlier version, still in a stream, are read."""
    assert golden.read(golden.path(event).read_bytes()) == event


@given(text=st.text(), more=st.text())
def test_any_text_survives_in_a_body(text: str, more: str) -> None:
    """Control characters, every alphabet, emoji."""
    event = Sentence(origin="o", session="s", turn="t", n=0, text=text, transcription=more, reply=more)
    message = codec.encode(event)
    assert codec.decode(message.subject, message.payload, message.headers) == event


@given(text=st.text(), more=st.text())
def test_any_text_survives_in_a_header_and_is_plain_ascii_there(text: str, more: str) -> None:
    """A header is one line; nats-py corrupts what is not ASCII when it reads one from a stream."""
    event = Speech(origin="o", session="s", turn="t", n=0, take="k", text=text, transcription=more, reply=more)
    message = codec.encode(event)
    header = message.headers[codec.HEADER]
    assert header.isascii()
    assert header.splitlines() == [header]
    assert codec.decode(message.subject, message.payload, message.headers) == event
