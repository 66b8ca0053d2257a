"""One question to a chain, from a program that knows only NATS, with the times that its caller feels."""

import asyncio
import json
import time
from uuid import uuid4

import nats
from nats.errors import Error

from services.cli.bench_turn import Timed

from . import chain_names


async def ask(wav: bytes, port: int, llm: str, seconds: float) -> Timed:
    """Publish *wav*, confirmed, and wait for its speech; the time to connect is not counted."""
    turn = uuid4().hex
    try:
        client = await nats.connect(f"nats://127.0.0.1:{port}", allow_reconnect=False)
        try:
            async with asyncio.timeout(seconds):
                answer = await client.subscribe(chain_names.subject("speech", turn))
                await client.flush()
                began = time.monotonic()
                headers = chain_names.headers(f"{turn}.utterance", llm, {})
                subject = chain_names.subject("utterance", turn)
                await client.jetstream().publish(subject, wav, timeout=chain_names.ACK_SECONDS, headers=headers)
                speech = await answer.next_msg(timeout=seconds)
                took = time.monotonic() - began
        finally:
            await client.close()
    except (Error, OSError, TimeoutError) as error:
        return Timed(problem=f"{type(error).__name__}: {error}"[:200])
    texts = speech.headers or {}
    heard, reply = (json.loads(texts[name]) for name in (chain_names.HEARD, chain_names.REPLY))
    return Timed(heard, reply, took, took)
