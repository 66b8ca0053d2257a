"""What both chains and their client call things: subjects, streams and headers. No package is needed.

A turn is `bench.utterance.TURN -> bench.transcript.TURN -> bench.reply.TURN -> bench.speech.TURN`; the texts travel on
in headers, so that the speech carries both.
"""

import json
from collections.abc import Mapping

SLOTS = 2
"""Messages that a stage works on at once: as many as the machine of the bars has cores."""
ACK_SECONDS = 5.0
LLM, HEARD, REPLY = "Bench-Llm", "Bench-Heard", "Bench-Reply"
Headers = Mapping[str, str]


def subject(event: str, turn: str) -> str:
    """Where an event of a turn is published; `*` stands for every turn."""
    return f"bench.{event}.{turn}"


def stream(event: str) -> str:
    """The stream that keeps an event."""
    return f"BENCH_{event.upper()}"


def headers(message_id: str, llm: str, texts: Headers) -> dict[str, str]:
    """Of a message; texts are JSON, for headers are ASCII."""
    return {"Nats-Msg-Id": message_id, LLM: llm, **{name: json.dumps(text) for name, text in texts.items()}}
