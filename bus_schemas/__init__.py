"""The wire contract of voicebus: events, subjects, codec, WebSocket frames and error codes."""

from . import codec, codes, frames, names, subjects
from .codec import NotAnEvent
from .events import (
    Cancel,
    Dead,
    Event,
    Failed,
    Heard,
    Sentence,
    Speech,
    Step,
    Transcript,
    Utterance,
)
from .subjects import BadSubject

__all__ = [
    "BadSubject",
    "Cancel",
    "Dead",
    "Event",
    "Failed",
    "Heard",
    "NotAnEvent",
    "Sentence",
    "Speech",
    "Step",
    "Transcript",
    "Utterance",
    "codec",
    "codes",
    "frames",
    "names",
    "subjects",
]
