"""Is a service ready? What its `/readyz` says."""

import asyncio
import ssl

import msgspec
from msgspec import Struct

ANSWER_SECONDS = 3.0
MAX_BYTES = 64 * 1024
SILENT, STARTING, UNKNOWN = "does not answer", "starting", "not ready (HTTP"


class _Body(Struct, frozen=True):
    missing: dict[str, str] = {}


async def missing(host: str, port: int, *, tls: bool = False) -> str:
    """What the service whose health is told there still waits for; empty when it is ready."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            status, body = await _get(host, port, "/readyz", _unverified() if tls else None)
    except TimeoutError:
        return SILENT
    except (OSError, EOFError, ValueError):
        return STARTING
    return "" if status == 200 else _told(body) or f"{UNKNOWN} {status})"


def is_told(missing: str) -> bool:
    """Whether what `missing` gave is a service's own word."""
    return bool(missing) and missing not in (SILENT, STARTING) and not missing.startswith(UNKNOWN)


def _told(body: str) -> str:
    try:
        return "; ".join(f"{what}: {why}" for what, why in msgspec.json.decode(body, type=_Body).missing.items())
    except msgspec.DecodeError:
        return body.strip()[:200]


def _unverified() -> ssl.SSLContext:
    """Whose certificate it is does not matter: nothing secret is said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _get(host: str, port: int, path: str, tls: ssl.SSLContext | None) -> tuple[int, str]:
    reader, writer = await asyncio.open_connection(host, port, ssl=tls)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read(MAX_BYTES)
        while chunk := await reader.read(MAX_BYTES):
            answer += chunk
    finally:
        writer.close()
    head, _, body = answer.decode(errors="replace").partition("\r\n\r\n")
    return int(head.split()[1]) if head else 0, body
