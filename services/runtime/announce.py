"""A service says that it is there, by the NATS micro-service API (ADR-32): `nats micro ls`, `info` and `stats` see it.

Written out here, and not with `nats.micro`, for two reasons. That one counts the requests that it is sent, and our work
comes out of a JetStream queue. And it answers wherever a request says: whoever may ask could have a service that may
publish `voice.cancel.web.kitchen` answer there, which reads as a cancel. Here only inboxes are answered.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import msgspec
import structlog
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from bus_schemas import names

ROOT = "$SRV"
TYPE = "io.nats.micro.v1.{}_response"
DESCRIPTION = "voicebus, a voice pipeline over NATS"
UNKNOWN_VERSION = "0.0.0"
_INBOX = re.compile(r"(_INBOX[A-Za-z0-9_-]*|_R_)\.\S+")
"""Where an answer may go: an inbox, and what the broker puts in its place for an account that imports the service."""
_SEMANTIC = re.compile(r"\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?")

log = structlog.get_logger()


class Card(Struct, frozen=True):
    """Who a service is."""

    name: str
    """The same for all of a kind, such as voicebus-stt."""
    endpoint: str
    """The name of what it does."""
    subject: str
    """Where its work comes from."""
    group: str
    """The consumer that it shares its work with."""
    metadata: Mapping[str, str]


class Figures(Struct, frozen=True):
    """What it has done."""

    requests: int
    errors: int
    seconds: float
    data: object
    """What is beyond ADR-32; written as JSON."""


Tell = Callable[[], Figures]


@asynccontextmanager
async def announced(client: Client, card: Card, tell: Tell) -> AsyncIterator[None]:
    """Answer `$SRV.PING`, `INFO` and `STATS` for as long as this lasts; *tell* is asked for each `STATS`."""
    number = await asyncio.to_thread(version)
    identity = {"name": card.name, "id": names.fresh(), "version": number, "metadata": dict(card.metadata)}
    started = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    async def answer(message: Msg) -> None:
        verb = message.subject.split(".")[1]
        if not _INBOX.fullmatch(message.reply):
            return
        try:
            body = _body(verb, card, started, tell)
        except Exception:  # a figure that cannot be read is no reason to vanish, and never one to end
            log.exception("announcement_failed", verb=verb)
            return
        if body is not None:
            told = {"type": TYPE.format(verb.lower()), **identity, **body}
            with contextlib.suppress(NatsError, ConnectionError):
                await client.publish(message.reply, msgspec.json.encode(told))

    subjects = (f"{ROOT}.*", f"{ROOT}.*.{card.name}", f"{ROOT}.*.{card.name}.{identity['id']}")
    heard = [await client.subscribe(subject, cb=answer) for subject in subjects]
    try:
        yield
    finally:
        for subscription in heard:
            with contextlib.suppress(NatsError, ConnectionError):
                await subscription.unsubscribe()


def version() -> str:
    """The version of voicebus that runs, as semantic versions are written."""
    try:
        found = installed("voicebus")
    except PackageNotFoundError:
        return UNKNOWN_VERSION
    return found if _SEMANTIC.fullmatch(found) else UNKNOWN_VERSION


def _body(verb: str, card: Card, started: str, tell: Tell) -> dict[str, object] | None:
    """What an answer says beyond who it is; None for what is no verb."""
    endpoint = {"name": card.endpoint, "subject": card.subject, "queue_group": card.group}
    match verb:
        case "PING":
            return {}
        case "INFO":
            return {"description": DESCRIPTION, "endpoints": [{**endpoint, "metadata": {}}]}
        case "STATS":
            return {"started": started, "endpoints": [{**endpoint, **_counts(tell())}]}
    return None


def _counts(figures: Figures) -> dict[str, object]:
    spent = round(figures.seconds * 1e9)
    return {
        "num_requests": figures.requests,
        "num_errors": figures.errors,
        "last_error": "",
        "processing_time": spent,
        "average_processing_time": spent // figures.requests if figures.requests else 0,
        "data": figures.data,
    }
