"""Messages for the bus that no client of ours would write: subjects, headers and bodies by chance."""

import json
from random import Random

from msgspec import Struct
from msgspec.structs import fields

from bus_schemas.codec import HEADER
from bus_schemas.events import EVENTS
from tests.fuzz import wavs

QUEUES = ("utterance", "transcript", "sentence")
FIELDS = sorted({field.name for event in EVENTS for field in fields(event)})
VALUES: tuple[object, ...] = (
    *(None, True, 0, 1, -1, 2**53, 2**64, 1.5, 1e308, "", "x", "\ud800", "\x00", "é" * 300, "a" * 20_000, [], {}, [[]]),
    *({"turn": "t", "sentences": -1}, [{"stage": 1}], [{}] * 40, "pt", "1", "..", "voice", "man"),
)
GOOD = {"turn": "t1", "text": "Good day.", "seconds": 1.0, "n": 0, "attempt": "a1"}
HEADERS = ("Nats-Expected-Last-Sequence", "Nats-Rollup", "Nats-TTL", "Status", "Description", "x", "Voice-Event")


class Message(Struct, frozen=True):
    """One message, as it is published."""

    subject: str
    body: bytes
    headers: dict[str, str]


def hostile(chance: Random, session: str) -> Message:
    """A message to one of the work queues; most have a subject that stages read."""
    event = chance.choice(QUEUES)
    headers = {HEADER: _text(chance)} if chance.random() < 0.5 else {}
    if chance.random() < 0.2:
        headers[chance.choice(HEADERS)] = chance.choice(["", "0", "all", "503", "é", "a" * 3_000, '"' * 60_000])
    body = wavs.broken(chance) if event == "utterance" and chance.random() < 0.8 else _body(chance)
    return Message(_subject(chance, event, session), body, headers)


def _subject(chance: Random, event: str, session: str) -> str:
    if chance.random() < 0.9:
        return f"voice.{event}.fuzz.{session}"
    odd = chance.choice(["é", "a" * 65, "%00", "*x", "\x01", "🎤", "a=b"])
    return chance.choice([f"voice.{event}.{odd}.{session}", f"voice.{event}.fuzz.{odd}"])


def _text(chance: Random) -> str:
    """A header: an event's fields with wrong values, or no JSON at all."""
    if chance.random() < 0.2:
        return chance.choice(["", "{", "[]", "null", "NaN", "[" * 5_000, '{"turn":"t"' + " " * 30_000 + "}"])
    return json.dumps(_fields(chance))


def _body(chance: Random) -> bytes:
    match chance.randrange(5):
        case 0:
            return chance.randbytes(chance.randrange(2_000))
        case 1:
            return b"[" * chance.randrange(20_000)
        case 2:
            return json.dumps(_fields(chance)).encode()[: chance.randrange(200)]
        case _:
            return json.dumps(_fields(chance)).encode()


def _fields(chance: Random) -> dict[str, object]:
    """What a good event has, one or two fields of it wrong."""
    return {**GOOD, **{chance.choice(FIELDS): chance.choice(VALUES) for _ in range(chance.randint(0, 2))}}
