"""Where the samples of a WAV file lie, and how they are written: the walk over its RIFF chunks."""

import re
import struct
from collections.abc import Iterator

from msgspec import Struct

from bus_schemas import codes

from .errors import Refused

MIN_RATE, MAX_RATE = 8_000, 96_000
MAX_CHANNELS = 32
MIN_BITS, MAX_BITS = 8, 32
"""Of an integer sample; those between two bytes stand in the larger one."""
FLOAT_BITS = (32, 64)

PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 0x0001, 0x0003, 0x0006, 0x0007, 0xFFFE
READ = (PCM, FLOAT, A_LAW, MU_LAW)
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the format tag in the SubFormat of a WAVE_FORMAT_EXTENSIBLE file."""

ENDLESS = 0x7FFF_0000
"""From here on a size is no promise: who writes into a pipe puts 0xFFFFFFFF (ffmpeg), 0x80000000 (arecord) or
0x7FFFF000 (sox)."""

MOST_CHUNKS = 1000
"""Of one file: real ones have a dozen, and a walk over millions of crumbs would keep every other thread waiting."""

CODECS = {
    0x0002: "Microsoft ADPCM",
    0x0010: "OKI ADPCM",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0040: "G.721 ADPCM",
    0x0042: "G.723.1",
    0x0045: "G.726 ADPCM",
    0x0050: "MPEG audio",
    0x0055: "MP3",
    0x00FF: "AAC",
    0x0160: "Windows Media Audio",
    0x0161: "Windows Media Audio",
    0x0162: "Windows Media Audio",
    0x2000: "AC-3",
    0x566F: "Vorbis",
    0x674F: "Vorbis",
    0x6750: "Vorbis",
    0x6751: "Vorbis",
    0x704F: "Opus",
    0xF1AC: "FLAC",
}

OTHERS = (
    (0, b"OggS", "Ogg"),
    (0, b"fLaC", "FLAC"),
    (0, b"ID3", "MP3"),
    (0, b"\xff\xfb", "MP3"),
    (0, b"\xff\xf3", "MP3"),
    (0, b"\x1aE\xdf\xa3", "WebM"),
    (4, b"ftyp", "MP4"),
    (0, b"FORM", "AIFF"),
    (0, b"caff", "CAF"),
    (0, b".snd", "AU"),
    (0, b"{", "JSON"),
)

FILES = (b"RIFF", b"RF64", b"BW64")
"""What a WAV file begins with: the ordinary one, and two whose sizes have 64 bits."""
NEARBY = 4
"""Bytes in which the next chunk begins: after an odd one stands a pad byte, which some writers leave out."""

_NAME = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{2}[A-Za-z0-9_ ]")
_FILE = re.compile(rb"RIFF....WAVE", re.DOTALL)
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")


class Layout(Struct, frozen=True):
    """What stands before the samples."""

    channels: int
    rate: int
    """Samples a second, Hz."""
    tag: int
    """How a sample is written: one of READ."""
    bits: int
    """Those of a sample that mean something."""
    width: int
    """Bytes that a sample takes."""
    justified: bool
    """Whether the header follows the standard, by which fewer bits than the bytes have are the upper ones. ALSA's
    S24_LE, which says 24 bits in frames of 4 bytes, has them below."""
    start: int
    """Where the first sample is, in bytes."""
    frames: int
    """Samples of one channel."""

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


class _Form(Struct, frozen=True):
    """What the fmt chunk says."""

    channels: int
    rate: int
    tag: int
    bits: int
    width: int
    justified: bool


def layout(data: bytes) -> Layout:
    """Find the samples of a WAV file, from its chunks alone. A size that lies ends where the file does.

    Raises: Refused with NOT_WAV, COMPRESSED, UNSUPPORTED, TRUNCATED or EMPTY.
    """
    _head(data)
    header, start, promised, extent, long_size = b"", 0, 0, 0, 0
    for name, at, size in _chunks(data):
        if name == b"ds64":
            long_size = int.from_bytes(data[at + 8 : at + 16], "little")
        elif name == b"fmt ":
            header = header or data[at : at + size]
        elif name == b"data":
            if start:
                raise _many("data chunks")
            start, promised = at, (long_size or size) if size == 0xFFFF_FFFF else size
            extent = _extent(data, start, promised)
    if not start:
        raise _soundless(data)
    form = _form(header)
    frames = extent // (form.channels * form.width)
    if not frames:
        raise _empty(promised, extent)
    return Layout(form.channels, form.rate, form.tag, form.bits, form.width, form.justified, start, frames)


def _head(data: bytes) -> None:
    if not data:
        raise Refused(codes.EMPTY, "The message is empty: send a WAV file.")
    kind = data[:4]
    if kind == b"RIFX":
        raise Refused(codes.UNSUPPORTED, "This is a big-endian WAV file (RIFX): save it as an ordinary WAV.")
    if kind not in FILES or data[8:12] != b"WAVE"[: max(0, len(data) - 8)]:
        other = next((name for at, magic, name in OTHERS if data[at : at + len(magic)] == magic), "")
        what = f"This looks like {other}, not a WAV file" if other else "This is not a WAV file"
        raise Refused(codes.NOT_WAV, f"{what}: send PCM or float samples in a RIFF/WAVE file.")
    if len(data) < 12:
        raise Refused(codes.TRUNCATED, f"The WAV file was cut off after {len(data)} bytes, inside its header.")


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The name, the first byte and the promised size of each chunk, the sound's too.

    Raises: Refused for a file of crumbs, and for one with another behind it.
    """
    at: int | None = 12
    for _ in range(MOST_CHUNKS):
        if at is None or at + 8 > len(data):
            return
        name, size = _CHUNK.unpack_from(data, at)
        if name in FILES and data[at + 8 : at + 12] == b"WAVE":
            raise _many("files")
        yield name, at + 8, size
        at = _next(data, at + 8 + size)
    raise Refused(codes.NOT_WAV, f"This WAV file has more than {MOST_CHUNKS} chunks: save it as an ordinary WAV.")


def _next(data: bytes, end: int) -> int | None:
    """Where a chunk begins behind one that ended; None where none does."""
    return next((at for at in range(end, end + NEARBY) if _NAME.match(data, at)), None)


def _extent(data: bytes, start: int, size: int) -> int:
    """How many bytes of sound came: what was promised, or all where that is no promise, or no chunk follows it.

    Raises: Refused where a second file is among them.
    """
    there = len(data) - start
    followed = _only_chunks(data, start) if size == 0 else _next(data, start + size) is not None
    if there - size in (0, size % 2) or (size < min(there, ENDLESS) and followed):
        return size
    if _FILE.search(data, start):
        raise _many("files")
    return there


def _only_chunks(data: bytes, at: int) -> bool:
    """Whether what follows an empty data chunk is more chunks, to the byte, and not samples of a streaming writer."""
    for _ in range(MOST_CHUNKS):
        found = _next(data, at)
        if found is None or found + 8 > len(data):
            break
        at = found + 8 + _CHUNK.unpack_from(data, found)[1]
    return len(data) - at in (0, 1)


def _many(what: str) -> Refused:
    return Refused(
        codes.UNSUPPORTED, f"There are several {what} in this WAV, of which one would be heard: send each in its own."
    )


def _soundless(data: bytes) -> Refused:
    if len(data) - 8 < int.from_bytes(data[4:8], "little") < ENDLESS:
        return Refused(codes.TRUNCATED, f"The WAV file was cut off after {len(data)} bytes, before its sound began.")
    return Refused(codes.NOT_WAV, "This WAV file has no data chunk: it holds no sound.")


def _empty(promised: int, extent: int) -> Refused:
    if extent < promised < ENDLESS:
        return Refused(
            codes.TRUNCATED,
            f"The WAV file was cut off: it promises {promised} bytes of sound and {extent} came.",
        )
    return Refused(codes.EMPTY, "This WAV file holds no samples: record something and send it again.")


def _form(header: bytes) -> _Form:
    if len(header) < _FORMAT.size:
        raise Refused(
            codes.NOT_WAV, "This WAV file does not say how its samples are written: its fmt chunk is missing."
        )
    tag, channels, rate, _, block, bits = _FORMAT.unpack_from(header)
    valid, justified = bits, tag == EXTENSIBLE
    if tag == EXTENSIBLE:
        tag = _sub_format(header)
        valid = min(int.from_bytes(header[18:20], "little") or bits, bits)
    if tag not in READ:
        codec = CODECS.get(tag, f"codec 0x{tag:04x}")
        raise Refused(codes.COMPRESSED, f"The samples of this WAV file are compressed ({codec}): save it as PCM.")
    width = block // channels if block and channels else -(-bits // 8)
    problem = _problem(tag, channels, rate, block, bits, width)
    if problem:
        raise Refused(codes.UNSUPPORTED, f"This WAV file has {problem}.")
    return _Form(channels, rate, tag, valid, width, justified or (bits, width) != (24, 4))


def _sub_format(header: bytes) -> int:
    """What an extensible format extends."""
    if len(header) < 40 or header[26:40] != GUID_TAIL:
        raise Refused(codes.UNSUPPORTED, "This WAV file's extensible format is neither PCM nor float: save it as PCM.")
    return int.from_bytes(header[24:26], "little")


def _problem(tag: int, channels: int, rate: int, block: int, bits: int, width: int) -> str:
    """What is not taken of a form; empty when it is."""
    if not 1 <= channels <= MAX_CHANNELS:
        return f"{channels} channels; 1 to {MAX_CHANNELS} are taken"
    if not MIN_RATE <= rate <= MAX_RATE:
        return f"{rate} samples a second; {MIN_RATE} to {MAX_RATE} are taken"
    if tag == FLOAT and bits not in FLOAT_BITS:
        return f"float samples of {bits} bits; {', '.join(map(str, FLOAT_BITS))} are taken"
    if tag in (A_LAW, MU_LAW) and bits != MIN_BITS:
        return f"G.711 samples of {bits} bits; they have {MIN_BITS}"
    if tag == PCM and not MIN_BITS <= bits <= MAX_BITS:
        return f"integer samples of {bits} bits; {MIN_BITS} to {MAX_BITS} are taken"
    widest = MAX_BITS // 8 if tag == PCM and bits > MIN_BITS else bits // 8
    if block % channels or not bits <= width * 8 <= widest * 8:
        return f"{channels} samples of {bits} bits in frames of {block} bytes; no gaps are taken"
    return ""
