"""Text to phonemes, by the espeak-ng that comes with Piper (GPL-3.0: it stays in this process)."""

import threading

from piper.phonemize_espeak import EspeakPhonemizer

_BREAKS = (".!?", ";:—", ",", " ")
"""Where a long part is cut: the first of these that occurs in its second half."""

_espeak = EspeakPhonemizer()
_lock = threading.Lock()


def parts(text: str, voice: str, limit: int) -> list[str]:
    """The phonemes of *text* (IPA, with its punctuation), sentence by sentence, none over *limit* characters.

    *voice* is espeak's name of a language: `en-us`, `pt-br`.
    """
    with _lock:  # espeak's language is a global of the process
        sentences = _espeak.phonemize(voice, text)
    return [part for phonemes in sentences for part in cut("".join(phonemes), limit)]


def cut(phonemes: str, limit: int) -> list[str]:
    """Cut at punctuation, else at a space, else anywhere, into parts of at most *limit* characters; none is blank."""
    found = []
    rest = phonemes.strip()
    while len(rest) > limit:
        at = _break(rest[:limit])
        found.append(rest[:at].strip())
        rest = rest[at:].strip()
    return [part for part in [*found, rest] if part]


def _break(window: str) -> int:
    for marks in _BREAKS:
        at = max(window.rfind(mark) for mark in marks) + 1
        if at > len(window) // 2:
            return at
    return len(window)
