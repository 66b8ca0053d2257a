"""Sound through Whisper: where people speak, then each window in one encoder pass, language and text from the same."""

from collections.abc import Sequence

import numpy as np
from ctranslate2 import StorageView  # type: ignore[import-untyped]
from faster_whisper import WhisperModel  # type: ignore[import-untyped]
from faster_whisper.tokenizer import Tokenizer  # type: ignore[import-untyped]
from faster_whisper.transcribe import get_suppressed_tokens  # type: ignore[import-untyped]
from faster_whisper.vad import VadOptions, get_speech_timestamps  # type: ignore[import-untyped]
from msgspec import Struct
from numpy.typing import NDArray

from .. import windows
from ..windows import Reading

SHORT_PAUSE_MS = 160
"""A pause from here on is a place to cut, as in faster-whisper's own batches."""


class Decoder(Struct, frozen=True):
    """A loaded model, and how it is asked."""

    model: WhisperModel
    beam: int
    full_window: bool
    languages: Sequence[str]
    """What detection may choose among; none: everything."""
    suppressed: Sequence[int]
    """Tokens that are never speech."""


def decoder(model: WhisperModel, beam: int, full_window: bool, languages: Sequence[str]) -> Decoder:
    """Prepare a loaded model."""
    suppressed = get_suppressed_tokens(_tokenizer(model, "en"), [-1])
    return Decoder(model, beam, full_window, languages, suppressed)


def knows(decoder: Decoder, language: str) -> bool:
    """Whether the model was trained on *language*; models differ."""
    if not decoder.model.model.is_multilingual:
        return language == "en"
    return decoder.model.hf_tokenizer.token_to_id(f"<|{language}|>") is not None


def speech(samples: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Where people speak: the first sample of each stretch, and the one after its last."""
    options = VadOptions(
        min_silence_duration_ms=SHORT_PAUSE_MS, speech_pad_ms=0, max_speech_duration_s=windows.MAX_PIECE
    )
    return [(found["start"], found["end"]) for found in get_speech_timestamps(samples, options)]


def read(decoder: Decoder, sound: NDArray[np.float32], language: str) -> Reading:
    """Read one window of at most 30 s; an empty *language* is found out. What looks like a loop is read again."""
    seconds = len(sound) / windows.RATE
    features = decoder.model.feature_extractor(sound)
    frames = windows.frames(seconds, decoder.full_window)
    if frames < windows.FULL_FRAMES:
        reading = look(decoder, features, frames, language, windows.most_tokens(seconds))
        if windows.is_noise(reading) or not windows.is_doubtful(reading, seconds):
            return reading
    return look(decoder, features, windows.FULL_FRAMES, language, windows.MAX_TOKENS)


def look(decoder: Decoder, features: NDArray[np.float32], frames: int, language: str, most_tokens: int) -> Reading:
    """One pass over the first *frames*, believed or not; it writes *most_tokens* at most."""
    encoded = decoder.model.encode(_window(features, frames))
    language = language or _detected(decoder, encoded)
    tokenizer = _tokenizer(decoder.model, language)
    prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
    result = decoder.model.model.generate(
        encoded,
        [prompt],
        beam_size=decoder.beam,
        max_length=2 * most_tokens,  # CTranslate2 writes half as many tokens: the other half is for a prompt
        return_scores=True,
        return_no_speech_prob=True,
        suppress_tokens=decoder.suppressed,
    )[0]
    tokens = result.sequences_ids[0]
    text = tokenizer.decode(tokens).strip()
    return Reading(text, language, len(tokens), result.scores[0], result.no_speech_prob)


def _window(features: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Cut or fill up with zeros, as Whisper was trained."""
    window = np.zeros((features.shape[0], frames), np.float32)
    length = min(frames, features.shape[1])
    window[:, :length] = features[:, :length]
    return window


def _detected(decoder: Decoder, encoded: StorageView) -> str:
    if not decoder.model.model.is_multilingual:
        return "en"
    ranked: list[str] = [token[2:-2] for token, _ in decoder.model.model.detect_language(encoded)[0]]
    allowed = (code for code in ranked if not decoder.languages or code in decoder.languages)
    return next(allowed, ranked[0])


def _tokenizer(model: WhisperModel, language: str) -> Tokenizer:
    return Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)
