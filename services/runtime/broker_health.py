"""What a broker says of its own health, over its monitoring port.

After one write error nats-server (2.14 and newer) takes nothing more into that stream until it is restarted. It answers
no PubAck and every other question, so only its own `/healthz` tells.
"""

import asyncio
import urllib.error
import urllib.request

import msgspec
from msgspec import Struct

ANSWER_SECONDS = 2.0
"""A monitoring port that takes longer says nothing: the connection itself tells whether the broker lives."""
MOST_BYTES = 64 * 1024


class _Health(Struct, frozen=True):
    status: str = "ok"
    error: str = ""


async def trouble(url: str) -> str:
    """Why the broker whose full health is at *url* is not well; empty when it is, or does not say."""
    return await asyncio.to_thread(_asked, url) if url else ""


def _asked(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:
            return _told(answer.read(MOST_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return _told(error.read(MOST_BYTES))
    except (OSError, ValueError):
        return ""


def _told(body: bytes) -> str:
    try:
        health = msgspec.json.decode(body, type=_Health)
    except msgspec.DecodeError:
        return ""
    return "" if health.status == "ok" else f"the broker is not well: {health.error or health.status}"
