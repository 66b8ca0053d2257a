"""WAV files that are broken by chance, and what reading one may do: give a sound, or say what is wrong."""

import struct
import time
from random import Random

from services.runtime import wav
from services.runtime.errors import Refused
from services.runtime.wav import WavLimits
from tests.stt.wavs import A_LAW, FLOAT, PCM, chunk, extensible, fmt, riff, samples

LIMITS = WavLimits(max_seconds=5)
LONGEST = 3.0
"""Seconds that one file may keep a reader busy."""
HEADER = 60
SECONDS = 0.02
SHORT = [riff(fmt(bits=bits), chunk(b"data", samples(bits, seconds=SECONDS))) for bits in (8, 16, 24, 32)] + [
    riff(fmt(FLOAT, bits=32), chunk(b"data", samples(32, floating=True, seconds=SECONDS))),
    riff(fmt(A_LAW, bits=8), chunk(b"data", samples(8, seconds=SECONDS))),
    riff(extensible(PCM, 2, 24), chunk(b"data", samples(24, channels=2, seconds=SECONDS))),
    riff(fmt(channels=2, rate=44_100), chunk(b"data", samples(16, rate=44_100, channels=2, seconds=SECONDS))),
    riff(chunk(b"LIST", b"INFOISFT\x04\0\0\0sox\0"), fmt(), chunk(b"data", samples(16, seconds=SECONDS))),
]
NUMBERS = (0, 1, 2, 3, 7, 16, 0x7F, 0xFF, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def broken(chance: Random) -> bytes:
    """A WAV file with one to four accidents."""
    data = bytearray(chance.choice(SHORT))
    for _ in range(chance.randint(1, 4)):
        match chance.randrange(6):
            case 0:
                data[_place(chance, data)] = chance.randrange(256)
            case 1:
                form, place = chance.choice([("<H", 2), ("<I", 4)]), _place(chance, data)
                limit = 256 ** form[1] - 1
                data[place : place + form[1]] = struct.pack(form[0], min(chance.choice(NUMBERS), limit))
            case 2:
                del data[chance.randrange(len(data)) + 1 :]
            case 3:
                place = _place(chance, data)
                data[place:place] = chance.randbytes(chance.randint(1, 64))
            case 4:
                data += chance.randbytes(chance.randint(1, 2_000))
            case 5:
                place = _place(chance, data)
                del data[place : place + chance.randint(1, 32)]
        data = data or bytearray(b"R")
    return bytes(data)


def check(data: bytes) -> str:
    """Read a file as edge and stt do; returns `sound` or the code of the refusal."""
    began = time.monotonic()
    try:
        normal = wav.normalise(data, LIMITS)
        assert len(wav.read(normal, LIMITS).samples) <= LIMITS.max_seconds * wav.RATE + 1
        outcome = "sound"
    except Refused as refusal:
        outcome = refusal.code
    assert time.monotonic() - began < LONGEST
    return outcome


def _place(chance: Random, data: bytearray) -> int:
    """Mostly in the header, where it hurts."""
    return chance.randrange(min(HEADER, len(data)) if chance.random() < 0.8 else len(data))
