"""`voicebus ready`: is the service on this machine ready? For the health check of a container."""

import argparse
import asyncio

from msgspec import Struct

from services.runtime import settings
from services.runtime.settings import Port

from . import console, ports, readiness


class ReadySettings(Struct, frozen=True):
    """Where the services of this machine tell their health."""

    port: Port = 8000
    """The edge's port, which has its health pages too."""
    health_port: Port = 0
    """The port of a worker's health pages."""
    tls_cert: str = ""
    """The edge speaks TLS."""


def run(words: argparse.Namespace) -> int:
    """0 when the service is ready, 1 and what it waits for when it is not. Raises: SettingsError."""
    wanted = settings.load(ReadySettings)
    edge = words.service == "edge"
    port = wanted.port if edge else wanted.health_port
    missing = asyncio.run(readiness.missing(ports.LOOPBACK, port, tls=edge and bool(wanted.tls_cert)))
    console.say(missing or "ready")
    return 1 if missing else 0
