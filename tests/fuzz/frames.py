"""Bytes for the port of the edge: requests that are none, frames that no client sends, and what comes back."""

import asyncio
import contextlib
import struct
from random import Random

from tests.fuzz import wavs

REQUEST = (
    b"GET /ws?session=%s HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
TEXTS = (
    b"",
    b"{}",
    b'{"cancel": true}',
    b'{"cancel": true, "sentences": 1}',
    b'{"cancel": true, "sentences": 9007199254740991}',
    b'{"cancel": true, "sentences": -1}',
    b"\xff\xfe",
    b"\x03\xe8",
    b"\xff\xff",
    b"a" * 200,
)
OPCODES = (0, 1, 1, 2, 2, 2, 2, 3, 8, 9, 10, 15)
OPEN_SECONDS = 2.0
READ_SECONDS = 0.3
"""A frame without an end is answered with nothing; so long is listened for more."""
ODD_TARGETS = (
    b"/ws?timeout=nan",
    b"/ws?session=\xff",
    b"//[",
    b"/ws?" + b"a" * 9_000,
    b"/../ws",
    b"*",
    b"",
    b"/healthz",
)


def request(chance: Random) -> bytes:
    """An HTTP request that opens a socket, or one that is broken."""
    good = REQUEST % chance.choice([b"fuzz", b"fuzz&stream=1", b"fuzz&stream=1&turns=1"])
    match chance.randrange(8):
        case 0:
            return chance.randbytes(chance.randint(1, 400))
        case 1:
            return good.replace(good.split()[1], chance.choice(ODD_TARGETS))
        case 2:
            cut = chance.randrange(len(good))
            return good[:cut] + chance.randbytes(3) + good[cut:]
    return good


def frames(chance: Random) -> bytes:
    """One to four frames, each right or wrong in its opcode, its flags, its length, its mask."""
    return b"".join(_frame(chance) for _ in range(chance.randint(1, 4)))


def _frame(chance: Random) -> bytes:
    match chance.randrange(4):
        case 0:
            payload = wavs.broken(chance)
        case 1:
            payload = chance.choice(TEXTS)
        case _:
            payload = chance.randbytes(chance.randrange(300))
    first = (0x80 if chance.random() < 0.8 else 0) | (chance.randrange(8) << 4 if chance.random() < 0.1 else 0)
    length, mask = len(payload), 0x80 if chance.random() < 0.95 else 0
    told = chance.choice([0, 2**63 - 1, 2**64 - 1, 40_000_000, length + 5]) if chance.random() < 0.1 else length
    head = bytes([first | chance.choice(OPCODES)])
    if told < 126:
        head += bytes([mask | told])
    elif told < 65_536 and chance.random() < 0.9:
        head += bytes([mask | 126]) + struct.pack(">H", told)
    else:
        head += bytes([mask | 127]) + struct.pack(">Q", told)
    key = chance.randbytes(4)
    return head + (key if mask else b"") + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


async def check(port: int, opening: bytes, sent: bytes, polite: bool) -> str:
    """Open a socket, send frames (*polite*: after the answer), listen.

    Returns what came of it: `silence`, `http <status>`, `closed <code>`, or what the edge said, `error` or `text`.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = b""
    try:
        writer.write(opening)
        if polite:
            got += await _until(reader, OPEN_SECONDS, b"\r\n\r\n")
        writer.write(sent)
        got += await _until(reader, READ_SECONDS, b"")
    except ConnectionError:
        pass  # it was cut off: that is an answer too
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return _meaning(got)


async def _until(reader: asyncio.StreamReader, seconds: float, end: bytes) -> bytes:
    """What comes until *end* is there, or nothing more comes within *seconds*."""
    got = b""
    with contextlib.suppress(TimeoutError):
        while not end or end not in got:
            async with asyncio.timeout(seconds):
                piece = await reader.read(65_536)
            if not piece:
                break
            got += piece
    return got


def _meaning(got: bytes) -> str:
    head, _, rest = got.partition(b"\r\n\r\n")
    if not got:
        return "silence"
    if not head.startswith(b"HTTP/1.1 "):
        return "a frame before the answer"  # websockets 16 does so to those who send frames before it
    if not head.startswith(b"HTTP/1.1 101"):
        return f"http {head[9:12].decode(errors='replace')}"
    if rest[:1] == b"\x88":
        return f"closed {int.from_bytes(rest[2:4], 'big')}"
    return "error" if b'{"error"' in rest else "text" if rest else "opened"
