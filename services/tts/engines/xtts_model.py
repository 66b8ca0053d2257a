"""One loaded XTTS model: the real `Xtts` of coqui-tts. It blocks, and speaks one sentence at a time."""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

# Before torch loads OpenMP: threads that spin while they wait starve the other engines of a small machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch  # type: ignore[import-not-found]
from msgspec import Struct
from numpy.typing import NDArray
from TTS.tts.configs.xtts_config import XttsConfig  # type: ignore[import-not-found]
from TTS.tts.models.xtts import Xtts  # type: ignore[import-not-found]

from services.runtime.errors import StartError
from services.runtime.wav import Sound

from ..voices import primary
from . import xtts_text
from .xtts_references import RATE

PUBLISHED = "tts_models/multilingual/multi-dataset/xtts_v2"
"""The name that coqui-tts knows the published weights by."""
FILES = ("config.json", "model.pth", "vocab.json")
DEFAULT_LIMIT = 250
"""Characters, for a language that the tokenizer names no limit for."""

_FULL_SCALE = 32_767
_OF_A_GPU = ("cuda", "cublas", "cudnn", "nccl", "nvidia", "nvml")


class Latents(Struct, frozen=True):
    """A voice as XTTS knows it, kept on the CPU: any model on any device can speak with it."""

    condition: torch.Tensor
    """[1, 32, width]: how it speaks."""
    speaker: torch.Tensor
    """[1, 512, 1]: who speaks."""


class Model:
    """A model on one device. The whole of a sentence belongs to one caller: XTTS keeps its state on the module."""

    def __init__(self, xtts: Xtts, tokens: int) -> None:
        self._xtts = xtts
        self._tokens = tokens
        self.languages = frozenset(filter(self._reads, {primary(name) for name in xtts.config.languages}))
        """ISO 639 codes that it speaks with the packages that are here: Chinese and Japanese need more of them."""

    @property
    def parameters(self) -> str:
        """How it listens to a reference."""
        config = self._xtts.config
        return f"{config.gpt_cond_len} {config.gpt_cond_chunk_len}"

    def listen(self, sounds: Sequence[NDArray[np.float32]]) -> Latents:
        """The latents of one person's recordings, each mono of RATE Hz."""
        xtts, config = self._xtts, self._xtts.config
        audios = [torch.from_numpy(np.ascontiguousarray(sound))[None, :] for sound in sounds]
        speakers = [xtts.get_speaker_embedding(audio, RATE) for audio in audios]
        condition = xtts.get_gpt_cond_latents(
            torch.cat(audios, dim=-1), RATE, length=config.gpt_cond_len, chunk_length=config.gpt_cond_chunk_len
        )
        return Latents(condition.cpu(), torch.stack(speakers).mean(dim=0).cpu())

    def parts(self, text: str, language: str) -> list[str]:
        """*text*, cut to what the model takes at one go."""
        limit = self._xtts.tokenizer.char_limits.get(language, DEFAULT_LIMIT)
        most = self._xtts.args.gpt_max_text_tokens
        return xtts_text.parts(text, limit, lambda part: len(self._encode(part, language)), most, language)

    def speak(self, part: str, language: str, latents: Latents) -> Iterator[Sound]:
        """The sound of *part*, piece by piece as it is made. Closing the iterator ends the work."""
        config = self._xtts.config
        made = self._xtts.inference_stream(
            part,
            language,
            latents.condition,
            latents.speaker,
            stream_chunk_size=self._tokens,
            temperature=config.temperature,
            length_penalty=config.length_penalty,
            repetition_penalty=config.repetition_penalty,
            top_k=config.top_k,
            top_p=config.top_p,
        )
        with closing(made):
            for piece in made:
                samples = np.clip(np.nan_to_num(piece.cpu().numpy()), -1.0, 1.0)
                yield Sound(np.round(samples * _FULL_SCALE).astype(np.int16), config.audio.output_sample_rate)

    def _encode(self, text: str, language: str) -> list[int]:
        found: list[int] = self._xtts.tokenizer.encode(text.strip().lower(), lang=language)
        return found

    def _reads(self, language: str) -> bool:
        try:
            return bool(self._encode("a", language))
        except (ImportError, NotImplementedError):
            return False


def load(folder: Path, device: str, tokens: int) -> Model:
    """Load the model of *folder* on *device*; it streams a piece of every *tokens* audio tokens. Raises: StartError."""
    try:
        config = XttsConfig()
        config.load_json(str(folder / "config.json"))
        xtts = Xtts(config)
        xtts.load_checkpoint(config, checkpoint_dir=str(folder), eval=True, use_deepspeed=False)
        return Model(xtts.to(device), tokens)
    except Exception as error:  # whatever torch, CUDA or a damaged file raise
        first = str(error).strip().partition("\n")[0][:300]
        if is_of_a_gpu(error):
            raise StartError(
                f"XTTS cannot use {device} ({first}): lower XTTS_INSTANCES, or set XTTS_DEVICE=cpu"
            ) from error
        raise StartError(f"the XTTS model in {folder} cannot be loaded ({first}): fetch its files again") from error


def devices(wanted: str, count: int) -> list[str]:
    """Where each of *count* models goes: in turn over the GPUs that are seen, or all on the CPU. Raises: StartError."""
    gpus = torch.cuda.device_count() if wanted != "cpu" and torch.cuda.is_available() else 0
    if wanted == "cuda" and not gpus:
        raise StartError(
            "XTTS_DEVICE is cuda and torch sees no GPU: check `nvidia-smi`, install a torch with CUDA, "
            "or set XTTS_DEVICE=cpu"
        )
    return [f"cuda:{number % gpus}" if gpus else "cpu" for number in range(count)]


def limit_threads(threads: int) -> None:
    """How many threads of the CPU torch may use, for all models together."""
    torch.set_num_threads(threads)


def is_of_a_gpu(error: BaseException) -> bool:
    """Whether an error is of the GPU: after one the process's CUDA context cannot be trusted."""
    kinds = (torch.cuda.OutOfMemoryError, getattr(torch, "AcceleratorError", torch.cuda.OutOfMemoryError))
    return isinstance(error, kinds) or (
        isinstance(error, RuntimeError) and any(mark in str(error).lower() for mark in _OF_A_GPU)
    )


def folder(wanted: str) -> Path:
    """The folder of a model: *wanted* itself, or that of a name that coqui-tts knows, downloaded where it is missing.

    Raises: StartError.
    """
    path = Path(wanted or PUBLISHED).expanduser()
    if not path.is_dir():
        path = _downloaded(wanted or PUBLISHED)
    missing = [name for name in FILES if not (path / name).is_file()]
    if missing:
        raise StartError(
            f"{path} is no XTTS model: {', '.join(missing)} not there; XTTS_MODEL needs {', '.join(FILES)}"
        )
    return path


def _downloaded(name: str) -> Path:
    from TTS.utils.manage import ModelManager  # type: ignore[import-not-found]

    # The operator's own word, which may stand in .env alone; without it coqui-tts would ask on a terminal.
    os.environ["COQUI_TOS_AGREED"] = "1"
    try:
        return Path(ModelManager(progress_bar=False).download_model(name)[0])
    except (Exception, SystemExit) as error:  # an unknown name, no network, a full disk
        raise StartError(
            f"XTTS_MODEL={name} is no folder here, and cannot be downloaded ({str(error)[:200]}): "
            f"set XTTS_MODEL to a folder with {', '.join(FILES)}"
        ) from error
