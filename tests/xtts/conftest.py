"""XTTS needs torch, which only .venv-xtts has: `make test-xtts` runs what is here, and `make test` leaves it out."""

import asyncio
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = importlib.util.find_spec("TTS") is not None
if HERE:
    from tests.xtts import torchaudio_cpu

    torchaudio_cpu.without_its_library()
    from services.tts import engines
    from services.tts.engines.xtts import Xtts
    from services.tts.settings import TtsSettings, XttsSettings
    from tests.xtts import tiny
else:
    collect_ignore_glob = ["test_*.py"]

if HERE:

    @pytest.fixture(scope="session")
    def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A model's folder."""
        return tiny.make(tmp_path_factory.mktemp("xtts") / "model")

    @pytest.fixture(scope="session")
    def settings(folder: Path) -> TtsSettings:
        """Settings with which XTTS starts."""
        wanted = XttsSettings(
            coqui_tos_agreed=True, xtts_model=str(folder), xtts_device="cpu", xtts_stream_tokens=tiny.STREAM_TOKENS
        )
        return TtsSettings(tts_engine="xtts", xtts=wanted)

    @pytest.fixture(scope="session")
    def speaker(settings: TtsSettings) -> Iterator[Xtts]:
        """The engine, as the service loads it."""
        loaded = engines.load(settings)
        assert isinstance(loaded, Xtts)
        yield loaded
        asyncio.run(loaded.close())
