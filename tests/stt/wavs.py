"""One second of a tone in every form of WAV that is taken, and a file for every code that refuses one."""

import struct

import numpy as np
from numpy.typing import NDArray

from bus_schemas import codes
from services.runtime import g711 as g711_tables

PCM, ADPCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 2, 3, 6, 7, 0xFFFE
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def tone(rate: int, seconds: float = 1.0) -> NDArray[np.float64]:
    """440 Hz at half of full scale."""
    return np.sin(np.arange(int(rate * seconds)) * 2 * np.pi * 440 / rate) * 0.5


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + bytes(len(body) % 2)


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def fmt(tag: int = PCM, channels: int = 1, rate: int = 16_000, bits: int = 16, more: bytes = b"") -> bytes:
    block = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits) + more)


def extensible(tag: int, channels: int, bits: int) -> bytes:
    guid = struct.pack("<H", tag) + GUID_TAIL
    return fmt(EXTENSIBLE, channels, bits=bits, more=struct.pack("<HHI", 22, bits, 0) + guid)


def samples(bits: int, *, floating: bool = False, rate: int = 16_000, channels: int = 1, seconds: float = 1.0) -> bytes:
    """The tone as the bytes of a data chunk."""
    wave = np.repeat(tone(rate, seconds), channels)
    if floating:
        return wave.astype(f"<f{bits // 8}").tobytes()
    if bits == 8:
        return (wave * 127 + 128).astype(np.uint8).tobytes()
    whole = (wave * (2 ** (bits - 1) - 1)).astype("<i8")
    return bytes(whole.view(np.uint8).reshape(-1, 8)[:, : bits // 8].tobytes())


def g711(tag: int) -> bytes:
    """The tone in the bytes of telephones: to each sample the nearest of the 256 that there are."""
    levels = (g711_tables.A_LAW if tag == A_LAW else g711_tables.MU_LAW).astype(np.int32)
    wanted = np.rint(tone(16_000) * 32767).astype(np.int32)
    return bytes(np.abs(levels - wanted[:, None]).argmin(axis=1).astype(np.uint8))


def pcm16(seconds: float = 1.0) -> bytes:
    """The commonest form."""
    return riff(fmt(), chunk(b"data", samples(16, seconds=seconds)))


SIXTEEN = samples(16)
FORMS = {
    "8-bit": riff(fmt(bits=8), chunk(b"data", samples(8))),
    "16-bit": pcm16(),
    "24-bit": riff(fmt(bits=24), chunk(b"data", samples(24))),
    "32-bit": riff(fmt(bits=32), chunk(b"data", samples(32))),
    "float": riff(fmt(FLOAT, bits=32), chunk(b"data", samples(32, floating=True))),
    "double": riff(fmt(FLOAT, bits=64), chunk(b"data", samples(64, floating=True))),
    "extensible": riff(extensible(PCM, 2, 24), chunk(b"data", samples(24, channels=2))),
    "extensible float": riff(extensible(FLOAT, 1, 32), chunk(b"data", samples(32, floating=True))),
    "stereo": riff(fmt(channels=2), chunk(b"data", samples(16, channels=2))),
    "six channels": riff(fmt(channels=6), chunk(b"data", samples(16, channels=6))),
    "A-law": riff(fmt(A_LAW, bits=8), chunk(b"data", g711(A_LAW))),
    "µ-law": riff(fmt(MU_LAW, bits=8), chunk(b"data", g711(MU_LAW))),
    "24 bits in 32": riff(
        chunk(b"fmt ", struct.pack("<HHIIHH", PCM, 1, 16_000, 64_000, 4, 24)),
        chunk(b"data", (tone(16_000) * 0x7F_FFFF).astype("<i4").tobytes()),
    ),
    "one channel turned over": riff(
        fmt(channels=2), chunk(b"data", (np.outer(tone(16_000), (1, -1)) * 32767).astype("<i2").tobytes())
    ),
    "8 kHz": riff(fmt(rate=8_000), chunk(b"data", samples(16, rate=8_000))),
    "44.1 kHz stereo": riff(fmt(channels=2, rate=44_100), chunk(b"data", samples(16, rate=44_100, channels=2))),
    "96 kHz": riff(fmt(rate=96_000), chunk(b"data", samples(16, rate=96_000))),
    "extra chunks": riff(
        chunk(b"LIST", b"INFOISFT\x04\0\0\0sox\0"), fmt(), chunk(b"fact", b"abc"), chunk(b"data", SIXTEEN)
    ),
    "chunks behind the sound": riff(fmt(), chunk(b"data", SIXTEEN), chunk(b"id3 ", b"odd")),
    "cut off by a byte": pcm16()[:-1],
    "36 bytes too many": riff(fmt(), chunk(b"data", SIXTEEN, size=len(SIXTEEN) + 36)),
    "a header of size 0": riff(fmt(), chunk(b"data", SIXTEEN, size=0), size=0),
    "a header without an end": riff(fmt(), chunk(b"data", SIXTEEN, size=0xFFFFFFFF), size=0xFFFFFFFF),
}

WRONG = {
    codes.NOT_WAV: b"OggS" + bytes(1000),
    codes.COMPRESSED: riff(fmt(ADPCM, bits=4), chunk(b"data", bytes(1000))),
    codes.UNSUPPORTED: riff(fmt(bits=12), chunk(b"data", bytes(1000))),
    codes.EMPTY: riff(fmt(), chunk(b"data", b"")),
    codes.TOO_LONG: riff(fmt(rate=8_000, bits=8), chunk(b"data", bytes([128]) * 8_000 * 121)),
    codes.TRUNCATED: pcm16()[:45],
}
"""TOO_LARGE is beside them: a limit of the reader, which no message of the bus reaches."""
