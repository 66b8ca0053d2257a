"""Sound through Whisper: where people speak, then windows in one encoder pass, languages and texts from the same."""

from collections.abc import Sequence

import numpy as np
from ctranslate2 import StorageView  # type: ignore[import-untyped]
from faster_whisper import WhisperModel  # type: ignore[import-untyped]
from faster_whisper.tokenizer import Tokenizer  # type: ignore[import-untyped]
from faster_whisper.transcribe import get_suppressed_tokens  # type: ignore[import-untyped]
from faster_whisper.vad import VadOptions, get_speech_timestamps  # type: ignore[import-untyped]
from msgspec import Struct, structs
from numpy.typing import NDArray

from .. import windows
from ..windows import Reading

SHORT_PAUSE_MS = 160
"""A pause from here on is a place to cut, as in faster-whisper's own batches."""
SURE, MAYBE, NO_LONGER = 0.5, 0.25, 0.1
"""How likely speech is, by Silero's ears: somewhere somebody speaks for SURE, or nobody does; then all that MAYBE is
speech is read. Where only what is sure was read, a whisper, an echo or a telephone lost words: 1.7 of the 11 s of a
speech in a hall were left."""


class Decoder(Struct, frozen=True):
    """A loaded model, and how it is asked."""

    model: WhisperModel
    beam: int
    full_window: bool
    languages: Sequence[str]
    """What detection may choose among; none: everything."""
    suppressed: Sequence[int]
    """Tokens that are never speech."""
    quick: WhisperModel | None = None
    """The same model on more threads, whose encoder is asked when nobody else needs the cores."""


class Shown(Struct, frozen=True):
    """One window that Whisper is shown."""

    features: NDArray[np.float32]
    frames: int
    """How many of them are shown; those that differ in it cannot share a batch."""
    seconds: float
    """Of sound."""
    language: str = ""
    """Empty: it is found out."""


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
    return _stretches(samples, MAYBE, NO_LONGER) if _stretches(samples, SURE, NO_LONGER) else []


def _stretches(samples: NDArray[np.float32], begin: float, end: float) -> list[tuple[int, int]]:
    """Where speech is likelier than *begin*, up to where it is less likely than *end*."""
    options = VadOptions(
        threshold=begin,
        neg_threshold=end,
        min_silence_duration_ms=SHORT_PAUSE_MS,
        speech_pad_ms=0,
        max_speech_duration_s=windows.MAX_PIECE,
    )
    return [(found["start"], found["end"]) for found in get_speech_timestamps(samples, options)]


def prepare(decoder: Decoder, samples: NDArray[np.float32]) -> list[Shown]:
    """Every window of a sound in which somebody speaks."""
    sounds = [windows.sound(samples, pieces) for pieces in windows.pack(windows.widen(speech(samples), len(samples)))]
    return [show(decoder, sound) for sound in sounds]


def show(decoder: Decoder, sound: NDArray[np.float32], language: str = "") -> Shown:
    """One window of at most 30 s, as short as is safe; an empty *language* is found out."""
    seconds = len(sound) / windows.RATE
    frames = windows.frames(seconds, decoder.full_window)
    return Shown(decoder.model.feature_extractor(sound), frames, seconds, language)


def again(shown: Shown, reading: Reading) -> Shown | None:
    """The full window to read in place of *shown* when its reading looks like a loop; None when it is believed."""
    if shown.frames == windows.FULL_FRAMES or windows.is_noise(reading):
        return None
    return structs.replace(shown, frames=windows.FULL_FRAMES) if windows.is_doubtful(reading, shown.seconds) else None


def look(decoder: Decoder, rows: Sequence[Shown], *, alone: bool = False) -> list[Reading]:
    """One pass over windows of one length, each in its own language, believed or not; *alone* it may take all cores."""
    encoded = _encoded(decoder.quick if alone and decoder.quick else decoder.model, rows)
    tongues = _languages(decoder, encoded, rows)
    tokenizers = [_tokenizer(decoder.model, language) for language in tongues]
    results = decoder.model.model.generate(
        encoded,
        [[*tokenizer.sot_sequence, tokenizer.no_timestamps] for tokenizer in tokenizers],
        beam_size=decoder.beam,
        max_length=2 * max(_most_tokens(row) for row in rows),  # CTranslate2 writes half: the rest is for a prompt
        return_scores=True,
        return_no_speech_prob=True,
        suppress_tokens=decoder.suppressed,
    )
    return [
        Reading(
            tokenizer.decode(result.sequences_ids[0]).strip(),
            language,
            len(result.sequences_ids[0]),
            result.scores[0],
            result.no_speech_prob,
        )
        for tokenizer, language, result in zip(tokenizers, tongues, results, strict=True)
    ]


def _encoded(model: WhisperModel, rows: Sequence[Shown]) -> StorageView:
    """What the encoder of *model* makes of each row, in one batch.

    A GPU encodes them together. A CPU does it one by one: four 10 s windows of `base` at once took it 314 ms a row, one
    alone 240, for they do not fit its cache; what it gains by is writing the texts together.
    """
    shown = [_window(row) for row in rows]
    if len(rows) == 1 or model.model.device != "cpu":
        return model.encode(np.stack(shown))
    return StorageView.from_array(np.concatenate([np.asarray(model.encode(each)) for each in shown]))


def _most_tokens(row: Shown) -> int:
    return windows.MAX_TOKENS if row.frames == windows.FULL_FRAMES else windows.most_tokens(row.seconds)


def _window(row: Shown) -> NDArray[np.float32]:
    """Cut or fill up with zeros, as Whisper was trained."""
    window = np.zeros((row.features.shape[0], row.frames), np.float32)
    length = min(row.frames, row.features.shape[1])
    window[:, :length] = row.features[:, :length]
    return window


def _languages(decoder: Decoder, encoded: StorageView, rows: Sequence[Shown]) -> list[str]:
    """The language of each row; the model is only asked when somebody named none and there is a choice."""
    if not decoder.model.model.is_multilingual:
        return ["en"] * len(rows)
    if len(decoder.languages) == 1:
        return [row.language or decoder.languages[0] for row in rows]
    if all(row.language for row in rows):
        return [row.language for row in rows]
    ranked = decoder.model.model.detect_language(encoded)
    return [row.language or _likeliest(decoder, each) for row, each in zip(rows, ranked, strict=True)]


def _likeliest(decoder: Decoder, ranked: Sequence[tuple[str, float]]) -> str:
    codes = [token[2:-2] for token, _ in ranked]
    return next((code for code in codes if not decoder.languages or code in decoder.languages), codes[0])


def _tokenizer(model: WhisperModel, language: str) -> Tokenizer:
    return Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)
