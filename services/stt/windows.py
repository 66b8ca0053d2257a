"""What Whisper is shown and when it is not believed: pauses cut, windows chosen, loops told. Pure.

Whisper was trained on 30 s. A shorter window costs 4 to 5 times less on a CPU, but one without room after the last
word makes it repeat itself. The numbers were measured with `base` and `tiny.en` on 36 utterances of 1.8 to 14.5 s:
buckets of 10, 20 and 30 s with 2 s of room made no loop and kept the word error rate of the full window (.039 against
.041); room of 1 s gave .270 before the guard, and the guard mended every loop. A window can be too short in itself,
whatever room it leaves: of 40 sentences of 0.4 to 5.3 s that end with their last sound, `base` repeated none with 8 s,
2 with 7 and 3 with 6.
"""

import re
import zlib
from collections.abc import Sequence

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

RATE = 16_000
FRAMES_A_SECOND = 100
WINDOWS = (8, 10, 20, 30)
"""Seconds."""
FULL = WINDOWS[-1]
FULL_FRAMES = FULL * FRAMES_A_SECOND
ROOM = 2.0
"""Seconds of nothing after the last word."""

MAX_SPEECH = FULL - ROOM
"""Seconds of sound in one window."""
EDGE = int(0.4 * RATE)
"""Kept before the first word and after the last, as faster-whisper does."""
PAUSE = int(1.0 * RATE)
"""Kept on each side of a pause: one of up to 2 s stays whole, a longer one becomes 2 s."""
MAX_PIECE = MAX_SPEECH - 2 * PAUSE / RATE
"""Seconds that one piece may have before it is widened by its pauses."""

LOOP_RATIO = 1.9
NOISE_SCORE = -1.0
GUESS_SCORE = -0.7
"""A short window's reading below it is read again. Of 84 recordings, English and Portuguese, those that were heard
well had -0.45 or more, but for one `Stop.`; a Portuguese sentence with six of ten words wrong had -0.97, and a full
window mended four of them."""
TOKENS_A_SECOND, TOKENS_BESIDE = 9, 12
NO_SPEECH = 0.5
MAX_TOKENS = 224
"""Half of Whisper's context: the longest text that it was trained to write."""


class Piece(Struct, frozen=True):
    """Speech between two pauses, in samples, and the pause before it."""

    start: int
    end: int
    pause: int = 0


class Reading(Struct, frozen=True):
    """What Whisper read in one window."""

    text: str
    language: str
    tokens: int
    score: float
    """Mean log probability of a token."""
    no_speech: float
    """Probability that nobody speaks."""


def widen(speech: Sequence[tuple[int, int]], length: int) -> list[Piece]:
    """Give each stretch of *speech* (its first sample and the one after its last) the pauses around it."""
    pieces = []
    for i, (start, end) in enumerate(speech):
        pause = start - speech[i - 1][1] if i else 0
        before = min(PAUSE, pause // 2) if i else min(EDGE, start)
        after = speech[i + 1][0] - end if i + 1 < len(speech) else 0
        behind = min(PAUSE, after - after // 2) if i + 1 < len(speech) else min(EDGE, length - end)
        pieces.append(Piece(start - before, end + behind, pause))
    return pieces


def pack(pieces: Sequence[Piece], limit: int = int(MAX_SPEECH * RATE)) -> list[list[Piece]]:
    """Fill windows of up to *limit* samples, in order; where sound must be cut, at a long pause.

    The longest pause counts that leaves a window at least half full. A piece over the limit is a window of its own.
    """
    windows = []
    rest = list(pieces)
    while rest:
        cut = _cut(rest, limit)
        windows.append(rest[:cut])
        rest = rest[cut:]
    return windows


def sound(samples: NDArray[np.float32], pieces: Sequence[Piece]) -> NDArray[np.float32]:
    """The samples of one window, its long pauses shortened."""
    return np.concatenate([samples[piece.start : piece.end] for piece in pieces])


def frames(seconds: float, full: bool) -> int:
    """How many frames of features to show for *seconds* of sound."""
    fitting = (window for window in WINDOWS if seconds + ROOM <= window)
    return FRAMES_A_SECOND * (FULL if full else next(fitting, FULL))


def most_tokens(seconds: float) -> int:
    """More than people say in *seconds*: a window that has as many is a loop."""
    return min(MAX_TOKENS, int(TOKENS_A_SECOND * seconds) + TOKENS_BESIDE)


def is_noise(reading: Reading) -> bool:
    """Nobody spoke, and the text is made up."""
    return reading.no_speech > NO_SPEECH and reading.score < NOISE_SCORE


def is_doubtful(reading: Reading, seconds: float) -> bool:
    """Whisper repeats itself or guesses: a full window may say better."""
    return is_loop(reading, seconds) or reading.score < GUESS_SCORE or _ends_twice(reading.text)


def is_loop(reading: Reading, seconds: float) -> bool:
    """Whisper repeats itself without end."""
    return _ratio(reading.text) > LOOP_RATIO or reading.tokens >= most_tokens(seconds)


def believed(short: Reading, full: Reading, seconds: float) -> Reading:
    """Which of two readings of one sound counts: that of the full window, unless only it is a loop."""
    return short if is_loop(full, seconds) and not is_loop(short, seconds) else full


def _ratio(text: str) -> float:
    """How many times smaller zlib makes it: 1 to 1.6 for sentences."""
    data = text.encode()
    return len(data) / len(zlib.compress(data)) if data else 0.0


def unlooped(reading: Reading, seconds: float) -> Reading:
    """*reading* up to where words, once said, begin to come a third time, when it is a loop that nothing mended."""
    words = reading.text.split()
    most = len(words) // 3 if is_loop(reading, seconds) else 0
    for start in range(len(words)):
        for count in range(1, min(most, (len(words) - start) // 3) + 1):
            once, twice, thrice = (words[start + n * count : start + (n + 1) * count] for n in range(3))
            if once == twice == thrice:
                return structs.replace(reading, text=" ".join(words[: start + count]))
    return reading


def _ends_twice(text: str) -> bool:
    """Whether its last words, two or more, are those before them: the beginning of a loop that ended by itself."""
    said = re.findall(r"\w+", text.lower())
    return any(said[-count:] == said[-2 * count : -count] for count in range(2, len(said) // 2 + 1))


def _cut(pieces: Sequence[Piece], limit: int) -> int:
    """How many of *pieces* the next window takes."""
    length = 0
    best, longest = 1, -1
    for i, piece in enumerate(pieces):
        if length > limit // 2 and i and piece.pause >= longest:
            best, longest = i, piece.pause
        elif longest < 0:
            best = max(1, i)
        length += piece.end - piece.start
        if length > limit:
            return best
    return len(pieces)
