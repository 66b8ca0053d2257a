"""Old and new services share a bus: what one does not know, it ignores; what is not there has a default."""

import pytest

from bus_schemas import NotAnEvent, Sentence, Speech, Transcript, Utterance, codec
from bus_schemas.codec import HEADER

SUBJECT = "voice.transcript.kiosk-7.42"


def test_a_field_that_this_version_does_not_know_is_ignored() -> None:
    """A newer service may say more."""
    event = codec.decode(SUBJECT, b'{"turn":"1","text":"hi","seconds":1.5,"mood":{"happy":[1,2]}}')
    assert event == Transcript(origin="kiosk-7", session="42", turn="1", text="hi", seconds=1.5)


def test_an_unknown_field_of_a_header_is_ignored() -> None:
    """Also beside audio."""
    headers = {HEADER: '{"turn":"1","n":0,"take":"k","mood":"happy"}'}
    event = codec.decode("voice.speech.kiosk-7.42", b"RIFF", headers)
    assert event == Speech(origin="kiosk-7", session="42", turn="1", n=0, take="k", wav=b"RIFF")


def test_an_event_of_an_older_service_has_the_defaults_of_what_it_lacks() -> None:
    """Only what was there from the start is required."""
    event = codec.decode("voice.sentence.kiosk-7.42", b'{"n":0,"text":"hi"}')
    assert event == Sentence(origin="kiosk-7", session="42", n=0, text="hi")
    assert isinstance(event, Sentence)
    assert (event.last, event.reply, event.run, event.trail) == (False, "", 0, ())


def test_a_field_with_its_default_is_not_sent() -> None:
    """An older reader never meets a new field that nobody uses."""
    message = codec.encode(Sentence(origin="o", session="s", n=0, text=""))
    assert message.payload == b'{"n":0,"text":""}'


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (b'{"seconds":1}', "missing required field `text`"),
        (b'{"text":"hi","seconds":"1"}', "$.seconds"),
        (b'{"text":"hi","seconds":1,"trail":[{"stage":"stt"}]}', "$.trail[0]"),
        (b'{"text":"hi","seconds":1,"heard":{"turn":"a b","sentences":1}}', "$.heard.turn"),
        (b'{"text":"hi","seconds":1,"run":-1}', "$.run"),
    ],
)
def test_what_is_wrong_with_a_body_is_told_with_its_subject_and_path(payload: bytes, path: str) -> None:
    """Its author can mend it without our source."""
    with pytest.raises(NotAnEvent) as caught:
        codec.decode(SUBJECT, payload)
    assert path in str(caught.value)
    assert SUBJECT in str(caught.value)


def test_what_is_wrong_with_a_header_is_told_with_its_path() -> None:
    """A header is held to the same rules as a body."""
    with pytest.raises(NotAnEvent, match="timeout_ms"):
        codec.decode("voice.utterance.kiosk-7.42", b"RIFF", {HEADER: '{"timeout_ms":0}'})


def test_a_bare_wav_is_a_whole_request() -> None:
    """Its turn is its place in the stream and the broker's time; its clock starts there."""
    event = codec.decode("voice.utterance.kiosk-7.42", b"RIFF", sequence=7, time_ms=0x18BCFE56800)
    assert event == Utterance(
        origin="kiosk-7", session="42", turn="7-18bcfe56800", deadline=0x18BCFE56800 + 60_000, wav=b"RIFF"
    )


def test_an_utterance_keeps_its_turn_and_its_own_timeout() -> None:
    """A deadline that it brought is not believed: nobody is on the bus by their own clock."""
    headers = {HEADER: '{"turn":"mine","timeout_ms":5000,"deadline":1}'}
    event = codec.decode("voice.utterance.kiosk-7.42", b"RIFF", headers, sequence=7, time_ms=1000)
    assert (event.turn, event.deadline) == ("mine", 6000)


def test_who_asked_is_in_the_subject_alone() -> None:
    """A body cannot speak for another origin."""
    event = codec.decode(SUBJECT, b'{"text":"hi","seconds":1,"origin":"bank","session":"1"}')
    assert (event.origin, event.session) == ("kiosk-7", "42")
