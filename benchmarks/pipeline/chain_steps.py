"""What the stages of both chains do with a message; nothing here knows NATS."""

import json
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.pipeline import chain_names, peer_models
from benchmarks.pipeline.chain_names import HEARD, LLM, REPLY, Headers

Texts = dict[str, str]


class Step(NamedTuple):
    """A stage: what it reads and writes, what it has to load, and its work."""

    reads: str
    writes: str
    load: Callable[[], object]
    work: Callable[[bytes, Headers], tuple[bytes, Texts]]


def _hear(body: bytes, _: Headers) -> tuple[bytes, Texts]:
    heard = peer_models.transcribe(body)
    return heard.encode(), {HEARD: heard}


def _reply(body: bytes, given: Headers) -> tuple[bytes, Texts]:
    reply = peer_models.ask(given[LLM], body.decode())
    return reply.encode(), {HEARD: json.loads(given[HEARD]), REPLY: reply}


def _speak(body: bytes, given: Headers) -> tuple[bytes, Texts]:
    return peer_models.speak(body.decode()), {HEARD: json.loads(given[HEARD]), REPLY: json.loads(given[REPLY])}


STEPS = {
    "stt": Step("utterance", "transcript", peer_models.whisper, _hear),
    "llm": Step("transcript", "reply", peer_models.llm, _reply),
    "tts": Step("reply", "speech", peer_models.piper, _speak),
}


def done(step: Step, turn: str, body: bytes, given: Headers) -> tuple[str, bytes, Texts]:
    """Do the work of a message: the subject, body and headers of what follows."""
    made, texts = step.work(body, given)
    headers = chain_names.headers(f"{turn}.{step.writes}", given[LLM], texts)
    return chain_names.subject(step.writes, turn), made, headers
