"""Where the samples of a WAV file lie, and how they are written: the walk over its RIFF chunks."""

import struct
from collections.abc import Iterator

from msgspec import Struct

from bus_schemas import codes

from .errors import Refused

MIN_RATE, MAX_RATE = 8_000, 96_000
MAX_CHANNELS = 32
INTEGER_BITS = (8, 16, 24, 32)
FLOAT_BITS = (32, 64)

PCM, FLOAT, EXTENSIBLE = 0x0001, 0x0003, 0xFFFE
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the format tag in the SubFormat of a WAVE_FORMAT_EXTENSIBLE file."""

ENDLESS = 0x7FFF_0000
"""From here on a size is no promise: who writes into a pipe puts 0xFFFFFFFF (ffmpeg), 0x80000000 (arecord) or
0x7FFFF000 (sox)."""

MOST_CHUNKS = 1000
"""Of one file: real ones have a dozen, and a walk over millions of crumbs would keep every other thread waiting."""

CODECS = {
    0x0002: "Microsoft ADPCM",
    0x0006: "A-law",
    0x0007: "µ-law",
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

_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")


class Layout(Struct, frozen=True):
    """What stands before the samples."""

    channels: int
    rate: int
    """Samples a second, Hz."""
    bits: int
    floating: bool
    start: int
    """Where the first sample is, in bytes."""
    frames: int
    """Samples of one channel."""

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def layout(data: bytes) -> Layout:
    """Find the samples of a WAV file, from its header alone.

    Raises: Refused with NOT_WAV, COMPRESSED, UNSUPPORTED, TRUNCATED or EMPTY.
    """
    _head(data)
    form = b""
    long_size = 0
    for name, start, size in _chunks(data):
        if name == b"ds64":
            long_size = int.from_bytes(data[start + 8 : start + 16], "little")
        elif name == b"fmt ":
            form = data[start : start + size]
        elif name == b"data":
            if size == 0xFFFF_FFFF and long_size:
                size = long_size
            return _layout(form, start, _extent(data, start, size))
    if len(data) - 8 < int.from_bytes(data[4:8], "little") < ENDLESS:
        raise Refused(codes.TRUNCATED, f"The WAV file was cut off after {len(data)} bytes, before its sound began.")
    raise Refused(codes.NOT_WAV, "This WAV file has no data chunk: it holds no sound.")


def _head(data: bytes) -> None:
    if not data:
        raise Refused(codes.EMPTY, "The message is empty: send a WAV file.")
    kind = data[:4]
    if kind == b"RIFX":
        raise Refused(codes.UNSUPPORTED, "This is a big-endian WAV file (RIFX): save it as an ordinary WAV.")
    if kind not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE"[: max(0, len(data) - 8)]:
        other = next((name for at, magic, name in OTHERS if data[at : at + len(magic)] == magic), "")
        what = f"This looks like {other}, not a WAV file" if other else "This is not a WAV file"
        raise Refused(codes.NOT_WAV, f"{what}: send PCM or float samples in a RIFF/WAVE file.")
    if len(data) < 12:
        raise Refused(codes.TRUNCATED, f"The WAV file was cut off after {len(data)} bytes, inside its header.")


def _chunks(data: bytes, at: int = 12) -> Iterator[tuple[bytes, int, int]]:
    """The name, the first byte and the promised size of each chunk. Raises: Refused for a file of crumbs."""
    for _ in range(MOST_CHUNKS):
        if at + 8 > len(data):
            return
        name, size = _CHUNK.unpack_from(data, at)
        yield name, at + 8, size
        at += 8 + size + size % 2
    raise Refused(codes.NOT_WAV, f"This WAV file has more than {MOST_CHUNKS} chunks: save it as an ordinary WAV.")


def _extent(data: bytes, start: int, size: int) -> int:
    """How many bytes of samples came.

    Raises: Refused with TRUNCATED or EMPTY.
    """
    there = len(data) - start
    if size >= ENDLESS or (size == 0 and not _only_chunks(data, start)):
        size = there
    if size > there:
        raise Refused(
            codes.TRUNCATED, f"The WAV file was cut off: its header promises {size} bytes of sound and {there} came."
        )
    return size


def _only_chunks(data: bytes, at: int) -> bool:
    """Whether what follows an empty data chunk is more chunks, to the byte, and not samples of a streaming writer."""
    for _ in range(MOST_CHUNKS):
        if at + 8 > len(data):
            break
        name, size = _CHUNK.unpack_from(data, at)
        if not all(32 <= character < 127 for character in name):
            return False
        at += 8 + size + size % 2
    return at in (len(data), len(data) + 1)


def _layout(form: bytes, start: int, size: int) -> Layout:
    if len(form) < _FORMAT.size:
        raise Refused(
            codes.NOT_WAV, "This WAV file does not say how its samples are written: its fmt chunk is missing."
        )
    tag, channels, rate, _, block, bits = _FORMAT.unpack_from(form)
    floating = _encoding(tag, form) == FLOAT
    _check(channels, rate, block, bits, floating)
    frames = size // (channels * bits // 8)
    if not frames:
        raise Refused(codes.EMPTY, "This WAV file holds no samples: record something and send it again.")
    return Layout(channels, rate, bits, floating, start, frames)


def _encoding(tag: int, form: bytes) -> int:
    if tag == EXTENSIBLE:
        if len(form) < 40 or form[26:40] != GUID_TAIL:
            raise Refused(
                codes.UNSUPPORTED, "This WAV file's extensible format is neither PCM nor float: save it as PCM."
            )
        tag = int.from_bytes(form[24:26], "little")
    if tag not in (PCM, FLOAT):
        codec = CODECS.get(tag, f"codec 0x{tag:04x}")
        raise Refused(codes.COMPRESSED, f"The samples of this WAV file are compressed ({codec}): save it as PCM.")
    return tag


def _check(channels: int, rate: int, block: int, bits: int, floating: bool) -> None:
    allowed = FLOAT_BITS if floating else INTEGER_BITS
    problem = ""
    if not 1 <= channels <= MAX_CHANNELS:
        problem = f"{channels} channels; 1 to {MAX_CHANNELS} are taken"
    elif not MIN_RATE <= rate <= MAX_RATE:
        problem = f"{rate} samples a second; {MIN_RATE} to {MAX_RATE} are taken"
    elif bits not in allowed:
        kind = "float" if floating else "integer"
        problem = f"{kind} samples of {bits} bits; {', '.join(map(str, allowed))} are taken"
    elif block not in (0, channels * bits // 8):
        problem = f"{channels} samples of {bits} bits in frames of {block} bytes; no gaps are taken"
    if problem:
        raise Refused(codes.UNSUPPORTED, f"This WAV file has {problem}.")
