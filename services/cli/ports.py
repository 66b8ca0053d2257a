"""TCP ports: which are free, and one sentence when one is not."""

import errno
import itertools
import os
import socket
from collections.abc import Iterator
from functools import cache

from services.runtime.errors import StartError

LOOPBACK = "127.0.0.1"
PORTS = range(12_000, 32_000)
"""Below those that Linux (from 32768) and macOS (from 49152) give to who asks for any: what is free here is not given
to somebody else before it is used."""
APART = 7919
"""Processes with neighbouring numbers, side by side, begin so far from each other, and none needs so many."""


def reachable(host: str) -> str:
    """The address under which this machine reaches a server that listens on *host*."""
    return LOOPBACK if host in ("", "0.0.0.0", "::") else host


def edge(host: str, port: int, *, tls: bool) -> str:
    """The address of this machine's edge."""
    return f"{'wss' if tls else 'ws'}://{reachable(host)}:{port}/ws"


@cache
def _ports(process: int) -> Iterator[int]:
    start = process * APART % len(PORTS)
    return itertools.cycle([*PORTS[start:], *PORTS[:start]])


def free() -> int:
    """A port that nobody listens on now, and that this process gives once."""
    return next(port for port in _ports(os.getpid()) if not taken(port))


def taken(port: int, host: str = LOOPBACK) -> str:
    """Why nobody can listen on *port*; empty when it is free."""
    try:
        with socket.create_server((host, port), family=_family(host)):
            return ""
    except OSError as error:
        return (
            "is taken by another program" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        )


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def unusable(host: str) -> str:
    """Why nobody can listen on *host*, whatever the port; empty when it can be."""
    try:
        with socket.create_server((host, 0), family=_family(host)):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def claim(name: str, port: int, host: str = LOOPBACK) -> int:
    """Give *port* back when it is free, or any free one for 0. *name* is the setting that asks for it.

    Raises: StartError, naming a port that is free.
    """
    if trouble := unusable(host):
        raise StartError(f"HOST={host}: nobody can listen there ({trouble}); set it to 127.0.0.1 or 0.0.0.0")
    reason = taken(port, host) if port else ""
    if reason:
        raise StartError(f"port {port} {reason}: stop that program, or set {name} to another port, as {name}={free()}")
    return port or free()
