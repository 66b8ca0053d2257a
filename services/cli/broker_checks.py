"""What `voicebus doctor` looks at on a broker: reachable, its streams, its clock. It changes nothing there."""

import time
from datetime import datetime

import msgspec
from msgspec import Struct
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from services.runtime import bus, streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import VoicebusError

from .checks import Finding

CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 5.0
SKEW_SECONDS = 2.0
"""A deadline is made from the broker's clock: a machine that is this far off would drop turns too early or too late."""


class _Info(Struct, frozen=True):
    ts: datetime


async def look(settings: BusSettings, limits: streams.StreamSettings) -> list[Finding]:
    """Reachable? Streams? Clock?"""
    quick = msgspec.structs.replace(settings, nats_connect_seconds=CONNECT_SECONDS)
    try:
        async with bus.connect(quick, "doctor") as connection:
            await connection.check()
            where = connection.client.connected_url
            version = connection.client.connected_server_version
            found = [Finding("broker", "ok", f"NATS {version} with JetStream at {where.netloc if where else '?'}")]
            return [*found, *await _streams(connection, limits)]
    except VoicebusError as error:
        return [Finding("broker", "missing", str(error))]
    except (NatsError, TimeoutError, OSError) as error:
        return [Finding("broker", "missing", f"{settings.nats_url} stopped answering: {error!r}; look at its log")]


async def _streams(connection: Bus, limits: streams.StreamSettings) -> list[Finding]:
    missing = []
    for config in streams.table(limits):
        try:
            await connection.jetstream.stream_info(str(config.name))
        except NotFoundError:
            missing.append(str(config.name))
    if missing:
        return [Finding("streams", "missing", f"{', '.join(missing)} not there: run `voicebus setup`")]
    return [Finding("streams", "ok", "all there"), await _clock(connection)]


async def _clock(connection: Bus) -> Finding:
    """How far the broker's clock is from ours; its answer carries the time it was written."""
    before = time.time()
    answer = await connection.client.request(f"$JS.API.STREAM.INFO.{streams.ANSWER}", timeout=REQUEST_SECONDS)
    after = time.time()
    try:
        there = msgspec.json.decode(answer.data, type=_Info).ts.timestamp()
    except msgspec.DecodeError:
        return Finding("clock", "warning", "this broker does not tell its time: take NATS 2.10 or newer")
    skew = there - (before + after) / 2
    says = f"the broker's is {abs(skew):.3f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
    if abs(skew) > SKEW_SECONDS:
        return Finding("clock", "missing", f"{says}: set both by NTP")
    return Finding("clock", "ok", says)
