"""The streams on a broker: made where they are missing, as soon as it can make them."""

import asyncio
from collections.abc import Mapping

import structlog

from services.runtime import access, bus, settings, streams
from services.runtime.errors import BusLost, StartError, Unavailable, VoicebusError
from services.runtime.heed import heed_cancel

LOOK_SECONDS = 1.0

log = structlog.get_logger()


async def make_streams(environ: Mapping[str, str]) -> list[str]:
    """Make the streams that are missing, turn the record on or off; what else stands differently is told, and left.

    Raises: StartError, SettingsError, BusLost.
    """
    connection = settings.load(bus.BusSettings, environ)
    limits = settings.load(streams.StreamSettings, environ)
    async with bus.connect(connection, "setup") as connected:
        try:
            differences = await connected.unless_lost(_made(connected, limits, connection))
        except BusLost as error:
            raise _explained(error) from error
        if limits.voicebus_record:
            log.warning("record_is_on", keeps="what is said and answered", days=limits.stream_record_days)
        return [*streams.too_small(connected.client), *differences]


def _explained(error: BusLost) -> VoicebusError:
    if "stream.update." not in str(error).lower():
        return error
    return StartError(
        f"the record is turned on or off, on streams that stand, by who may change them: {error}; "
        "run `voicebus setup` once as the broker's operator (NATS_USER, NATS_PASSWORD)"
    )


async def _made(connected: bus.Bus, limits: streams.StreamSettings, settings: bus.BusSettings) -> list[str]:
    """Wait for JetStream as long as for the broker: three brokers that start have no leader for some seconds."""
    reason = "it does not answer"
    try:
        async with asyncio.timeout(settings.nats_connect_seconds):
            while True:
                try:
                    return await streams.setup(connected.jetstream, limits)
                except Unavailable as error:
                    reason = str(error)
                    log.warning("streams_wait", reason=reason)
                heed_cancel()
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise StartError(
            f"the broker at {access.shown(settings)} has no JetStream to use after {settings.nats_connect_seconds:g} s "
            f"({reason}); do a majority of its cluster run, with `jetstream` in their configuration? "
            "NATS_CONNECT_SECONDS waits longer"
        ) from None


async def provide(environ: Mapping[str, str]) -> None:
    """Make the streams, and log what stands differently. Raises: as `make_streams`."""
    for difference in await make_streams(environ):
        log.warning("stream_differs", difference=difference)
