"""The watch over a connection to the broker, for what its client does not notice."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

import structlog
from nats.aio.client import Client
from nats.aio.transport import TcpTransport, Transport

from . import broker_health, metrics
from .errors import Unavailable
from .heed import heed_cancel

if TYPE_CHECKING:
    from .bus import Bus

CHECK_SECONDS = 5.0
"""Between two looks at the connection's health."""
DEAD_SECONDS = 30.0
"""A connection that says it is up but answers nothing for so long is given up."""
STUCK_SECONDS = 1.0
"""A reconnect that still waits for its old, frozen socket is freed after this (nats.py issue 671)."""


log = structlog.get_logger()


async def watch(bus: Bus, health_url: str = "") -> None:
    """Free a reconnect that hangs on a frozen socket, and give up a connection that only looks alive; without end.

    *health_url* is where the broker tells its full health; empty: nowhere.
    """
    transport: Transport | None = None
    answered = checked = time.monotonic()
    stuck_since = 0.0
    while True:
        await asyncio.sleep(STUCK_SECONDS / 2)
        now = time.monotonic()
        if bus.client.is_connected:
            transport, stuck_since = bus.client._transport, 0.0
            if now - checked > CHECK_SECONDS:
                checked = now
                try:
                    await bus.check()
                    answered = time.monotonic()
                    metrics.CLOCK_SKEW.set(bus.skew)
                    _tell(bus, await broker_health.trouble(health_url) or bus.stuck)
                except Unavailable as error:
                    _tell(bus, str(error))
                heed_cancel()
            if now - answered > DEAD_SECONDS:
                bus.lose(f"JetStream at {address(bus.client)} has not answered for {DEAD_SECONDS:g} s")
            continue
        answered, checked, bus.trouble = now, 0.0, "the connection to the broker is being made again"
        metrics.BUS_TROUBLE.set(1)
        stuck_since = stuck_since or now
        if now - stuck_since > STUCK_SECONDS and transport is not None and transport is bus.client._transport:
            abort(transport)
            transport = None


def _tell(bus: Bus, trouble: str) -> None:
    """Take note of what is wrong with the broker, and log it once."""
    if trouble and trouble != bus.trouble:
        log.warning("broker_in_trouble", why=trouble)
    elif bus.trouble and not trouble:
        log.info("broker_well_again")
    bus.trouble = trouble
    metrics.BUS_TROUBLE.set(bool(trouble))


def abort(transport: Transport) -> None:
    """Close a socket at once, whatever still waits to be sent."""
    if isinstance(transport, TcpTransport) and transport._io_writer is not None:
        with contextlib.suppress(AttributeError):  # asyncio's, of an encrypted socket that is closed already
            transport._io_writer.transport.abort()


def forget_callbacks(client: Client) -> None:
    """A connection that is closed on purpose is no news."""
    client._closed_cb = client._disconnected_cb = None


def address(client: Client) -> str:
    """Where *client* is connected, for a message to people."""
    url = client.connected_url
    return f"{url.hostname}:{url.port}" if url else "the broker"
