"""What all chains of this benchmark share: streams, subjects, message ids, and the recordings that go in and come out.

A turn is `utterance -> transcript -> sentence -> speech`; each hop is stored on file in the streams of voicebus and
confirmed (PubAck), has a `Nats-Msg-Id`, and is acked after what it caused is stored. This module needs no package: the
contenders import it in environments of their own.
"""

import json
import struct

ORIGIN = "bench"
SLOTS = 64
"""How many messages a stage works on at once, in every contender."""
AUDIO_BYTES = 160_000
"""Five seconds of speech, in and out."""
ACK_SECONDS = 5.0

STREAMS = {"stt": "VOICE_UTTERANCE", "llm": "VOICE_TRANSCRIPT", "tts": "VOICE_SENTENCE"}
READS = {"stt": "utterance", "llm": "transcript", "tts": "sentence"}
WRITES = {"stt": "transcript", "llm": "sentence", "tts": "speech"}
TEXTS = {
    "stt": json.dumps({"text": "What time is it in Lisbon now?", "seconds": 5.0}).encode(),
    "llm": json.dumps({"n": 0, "text": "It is half past nine.", "last": True}).encode(),
}


def recording() -> bytes:
    """A WAV file: 16 kHz, mono, 16 bits, a quiet saw tooth."""
    samples = (AUDIO_BYTES - 44) // 2
    data = b"".join(struct.pack("<h", 200 + number % 800) for number in range(samples))
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE") + form + struct.pack("<4sI", b"data", len(data)) + data
    )


def output(stage: str) -> bytes:
    """What a stage that does nothing publishes."""
    return TEXTS.get(stage) or recording()


def subject(event: str, session: str) -> str:
    """Where an event of one conversation is published."""
    return f"voice.{event}.{ORIGIN}.{session}"


def message_id(event: str, session: str, turn: str) -> str:
    """The `Nats-Msg-Id` of an event."""
    return f"{ORIGIN}.{session}.{turn}.0.{event}"


def following(stage: str, incoming_subject: str, incoming_id: str) -> tuple[str, str]:
    """The subject and the message id of what *stage* makes of a message."""
    session, turn = incoming_subject.rsplit(".", 1)[1], incoming_id.split(".")[2]
    return subject(WRITES[stage], session), message_id(WRITES[stage], session, turn)
