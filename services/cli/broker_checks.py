"""What `voicebus doctor` looks at on a broker: reachable, its streams, its clock. It changes nothing there."""

import msgspec
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from services.runtime import access, broker_health, bus, streams
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
            if unwell := await broker_health.trouble(settings.nats_health_url):
                found.append(Finding("broker health", "missing", f"{unwell}; give its disk room, then restart it"))
            found += [Finding("broker limits", "missing", trouble) for trouble in streams.too_small(connection.client)]
            return [*found, *await connection.unless_lost(_streams(connection, limits))]
    except VoicebusError as error:
        return [Finding("broker", "missing", str(error))]
    except (NatsError, TimeoutError, OSError) as error:
        return [Finding("broker", "missing", f"{access.shown(settings)} stopped answering: {error!r}; look at its log")]


async def _streams(connection: Bus, limits: streams.StreamSettings) -> list[Finding]:
    there = await streams.standing(connection.jetstream)
    faults = streams.faults(there)
    unneeded = [streams.DEAD] if streams.DEAD not in there else []
    if limits.voicebus_record and not await _has_record(connection):
        unneeded.append(streams.LOG)
    if unneeded:
        faults.append(f"{', '.join(unneeded)} not there; run `voicebus setup`")
    if faults:
        return [Finding("streams", "missing", "; ".join(faults))]
    return [Finding("streams", "ok", "all there"), _clock(connection)]


async def _has_record(connection: Bus) -> bool:
    try:
        await connection.jetstream.stream_info(streams.LOG)
    except NotFoundError:
        return False
    return True


def _clock(connection: Bus) -> Finding:
    if connection.clock:
        return Finding("clock", "missing", connection.clock)
    side = "ahead of" if connection.skew > 0 else "behind"
    return Finding("clock", "ok", f"the broker's is {abs(connection.skew):.3f} s {side} this machine's")
