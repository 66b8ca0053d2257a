"""What `voicebus doctor` looks at on a broker: reachable, its streams, its clock. It changes nothing there."""

import msgspec
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from services.runtime import access, bus, streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import VoicebusError

from .checks import Finding

CONNECT_SECONDS = 5.0


async def look(settings: BusSettings, limits: streams.StreamSettings) -> list[Finding]:
    """Reachable? Streams? Clock?"""
    quick = msgspec.structs.replace(settings, nats_connect_seconds=CONNECT_SECONDS)
    try:
        async with bus.connect(quick, "doctor") as connection:
            await connection.check()
            where = connection.client.connected_url
            version = connection.client.connected_server_version
            found = [Finding("broker", "ok", f"NATS {version} with JetStream at {where.netloc if where else '?'}")]
            found += [Finding("broker limits", "missing", trouble) for trouble in streams.too_small(connection.client)]
            return [*found, *await connection.unless_lost(_streams(connection, limits))]
    except VoicebusError as error:
        return [Finding("broker", "missing", str(error))]
    except (NatsError, TimeoutError, OSError) as error:
        return [Finding("broker", "missing", f"{access.shown(settings)} stopped answering: {error!r}; look at its log")]


async def _streams(connection: Bus, limits: streams.StreamSettings) -> list[Finding]:
    missing = []
    for config in streams.table(limits):
        try:
            await connection.jetstream.stream_info(str(config.name))
        except NotFoundError:
            missing.append(str(config.name))
    if missing:
        return [Finding("streams", "missing", f"{', '.join(missing)} not there: run `voicebus setup`")]
    return [Finding("streams", "ok", "all there"), _clock(connection)]


def _clock(connection: Bus) -> Finding:
    if connection.clock:
        return Finding("clock", "missing", connection.clock)
    side = "ahead of" if connection.skew > 0 else "behind"
    return Finding("clock", "ok", f"the broker's is {abs(connection.skew):.3f} s {side} this machine's")
