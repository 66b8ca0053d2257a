"""Whatever is published, a reader gets an event or NotAnEvent, and an event that it got can be written again."""

import contextlib

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from bus_schemas import Dead, Event, NotAnEvent, Sentence, Speech, Step, codec
from bus_schemas.codec import HEADER
from bus_schemas.events import EVENTS, MAX_STEPS

DEEP = b'{"text":"a","seconds":1,"n":0,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
HOSTILE = {
    "nothing": b"",
    "no JSON": b"RIFF\xff\xfe",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1e9",
    "invalid UTF-8": b'{"text":"\xff","seconds":1}',
    "a surrogate in UTF-8": b'{"text":"\xed\xa0\x80","seconds":1}',
    "an escaped lone surrogate": b'{"text":"\\ud800","seconds":1}',
    "an escaped lone low surrogate": b'{"text":"\\udc00","seconds":1}',
    "two high surrogates": b'{"text":"\\ud800\\ud800","seconds":1}',
    "NaN": b'{"text":"a","seconds":NaN}',
    "infinity": b'{"text":"a","seconds":Infinity}',
    "a float over all floats": b'{"text":"a","seconds":1e999}',
    "an integer of 4,000 digits": b'{"text":"a","seconds":1,"deadline":' + b"9" * 4_000 + b"}",
    "an integer of 5,000 digits": b'{"text":"a","seconds":1,"deadline":' + b"9" * 5_000 + b"}",
    "an integer over JavaScript's": b'{"text":"a","seconds":1,"deadline":9007199254740992}',
    "nested deep": DEEP,
    "cut off": b'{"text":"a","seconds":1',
    "more after it": b'{"text":"a","seconds":1}{}',
    "a byte order mark": b'\xef\xbb\xbf{"text":"a","seconds":1}',
    "UTF-16": '{"text":"a","seconds":1}'.encode("utf-16"),
    "a trail without an end": b'{"text":"a","seconds":1,"trail":['
    + b",".join([b'{"stage":"s","worker":"w","queue_ms":1,"service_ms":1}'] * 33)
    + b"]}",
}
LETTER = {
    "origin": "o",
    "session": "s",
    "turn": "t",
    "stage": "llm",
    "code": "refused.not_an_event",
    "reason": "r",
    "subject": "x",
    "sequence": 1,
    "deliveries": 1,
}
WAV_AS_JSON = b'{"n":0,"take":"k","wav":"not base64"}'

names = st.sampled_from([event.NAME for event in EVENTS])
fields = st.sampled_from(sorted({field.name for event in EVENTS for field in msgspec.structs.fields(event)}))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(fields | st.text(), inner),
    max_leaves=10,
)
objects = st.dictionaries(fields, values).map(msgspec.json.encode)


def read_and_write(name: str, payload: bytes, headers: dict[str, str] | None = None) -> None:
    """Read as a stage does; what it got, it must be able to pass on."""
    with contextlib.suppress(NotAnEvent):
        event = codec.decode(f"voice.{name}.o.s", payload, headers, sequence=1, time_ms=1)
        codec.encode(event)


@pytest.mark.parametrize("payload", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_no_event(payload: bytes) -> None:
    """One sentence for its author, and no other exception for the worker."""
    with pytest.raises(NotAnEvent, match=r"^voice\.transcript\.o\.s: "):
        codec.decode("voice.transcript.o.s", payload)


@pytest.mark.parametrize("payload", [*HOSTILE.values(), WAV_AS_JSON], ids=[*HOSTILE.keys(), "a WAV that is none"])
def test_a_hostile_header_never_does_more_than_be_refused(payload: bytes) -> None:
    """Also as a client gives it that decodes headers with surrogates."""
    for text in (payload.decode(errors="replace"), payload.decode(errors="surrogateescape")):
        for event in EVENTS:
            read_and_write(event.NAME, b"RIFF", {HEADER: text})


@given(names, st.binary())
@example("transcript", b'{"text":"\\ud83d\\ude00","seconds":1}')
def test_any_bytes_as_a_body_are_an_event_or_none(name: str, payload: bytes) -> None:
    """Every event, whatever the bytes."""
    read_and_write(name, payload)


@given(names, objects)
def test_any_object_with_our_fields_is_an_event_or_none(name: str, payload: bytes) -> None:
    """Right names with wrong values go deeper than random bytes."""
    read_and_write(name, payload)
    read_and_write(name, b"RIFF", {HEADER: payload.decode()})


@given(names, st.text(alphabet=st.characters(exclude_categories=())), st.binary())
def test_any_text_as_a_header_is_an_event_or_none(name: str, text: str, payload: bytes) -> None:
    """Surrogates too."""
    read_and_write(name, payload, {HEADER: text})


@given(st.dictionaries(st.text(alphabet=st.characters(exclude_categories=())), st.text(alphabet="a\ud800\udcff👋")))
def test_a_dead_letter_can_carry_any_header(headers: dict[str, str]) -> None:
    """The message that could not be read must not be what stops the worker."""
    letter = replace(msgspec.convert(LETTER, Dead), headers=codec.plain(headers), body=b"\xff")
    assert decoded(letter) == letter


def test_a_text_that_is_no_unicode_is_refused_when_written() -> None:
    """An engine could write one; the error says where it was going."""
    for event in (
        Sentence(origin="o", session="s", n=0, text="\ud800"),
        Speech(n=0, take="k", text="\ud800", origin="o", session="s"),
    ):
        with pytest.raises(NotAnEvent, match="not Unicode"):
            codec.encode(event)


def test_a_header_that_no_broker_takes_is_refused_when_written() -> None:
    """It says how long it is, and how long it may be."""
    event = Speech(origin="o", session="s", n=0, take="k", text="👋" * 10_000)
    with pytest.raises(NotAnEvent, match=r"120\d{3} bytes; at most 64000"):
        codec.encode(event)


def test_a_header_without_room_leaves_out_only_what_can_be_done_without() -> None:
    """First the reply, then the transcription too."""
    speech = Speech(origin="o", session="s", n=0, take="k", text="Olá", transcription="á" * 4_000, reply="á" * 10_000)
    assert decoded(speech) == replace(speech, reply="")
    speech = replace(speech, transcription="á" * 11_000)
    assert decoded(speech) == replace(speech, reply="", transcription="")


def test_a_dead_letter_is_written_whatever_headers_its_message_had() -> None:
    """The message that could not be read must not be what stops the worker."""
    letter = msgspec.convert(LETTER, Dead)
    assert decoded(replace(letter, headers={HEADER: '"' * 60_000})) == letter


def test_the_longest_trail_that_is_read_can_be_passed_on_by_every_stage() -> None:
    """A trail is bounded far below what a header may be."""
    steps = (Step(stage="s" * 128, worker="👋" * 128, queue_ms=0.1, service_ms=0.1),) * (MAX_STEPS + 3)
    codec.encode(Speech(origin="o", session="s", n=0, take="k", trail=steps))


def decoded(event: Event) -> Event:
    """What a reader gets of it."""
    message = codec.encode(event)
    return codec.decode(message.subject, message.payload, message.headers)
