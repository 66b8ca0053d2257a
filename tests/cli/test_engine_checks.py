"""`voicebus doctor` says of each engine what is missing and what to do, in one sentence."""

import pytest
from ctranslate2 import get_cuda_device_count  # type: ignore[import-untyped]

from services.cli import checks
from services.llm.settings import LlmSettings
from services.stt.settings import SttSettings, WhisperSettings
from services.tts.settings import TtsSettings
from tests.harness import free_port

NOBODY = f"http://127.0.0.1:{free_port()}"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (LlmSettings(llama_endpoint=NOBODY), "LLAMA_MODEL is empty"),
        (LlmSettings(llama_endpoint=NOBODY, llama_model="m"), "start it with `ollama serve`"),
        (LlmSettings(llm_engine="openai"), "needs OPENAI_BASE_URL"),
        (LlmSettings(llm_engine="openai", openai_base_url=NOBODY, llama_model="m"), "start the server, or set OPENAI"),
        (LlmSettings(llama_model="llama3"), "is not a .gguf file"),
    ],
    ids=["ollama without a model", "ollama away", "openai without a server", "openai away", "no file of a model"],
)
async def test_a_language_model_that_cannot_work_is_missing(settings: LlmSettings, expected: str) -> None:
    found = await checks.llm(settings)
    assert found.state == "missing"
    assert expected in found.says


@pytest.mark.skipif(get_cuda_device_count() > 0, reason="there is a GPU: nothing is missing")
async def test_a_gpu_that_is_not_there_is_missing() -> None:
    found = await checks.stt(SttSettings(whisper=WhisperSettings(whisper_device="cuda")))
    assert found.state == "missing"
    assert "set WHISPER_DEVICE=cpu" in found.says


async def test_xtts_without_the_operators_agreement_is_missing() -> None:
    found = await checks.tts(TtsSettings(tts_engine="xtts"))
    assert found.state == "missing"
    assert "set COQUI_TOS_AGREED=1 if you agree" in found.says


async def test_an_engine_that_works_is_fine() -> None:
    for found in (
        await checks.llm(LlmSettings(llm_engine="scripted")),
        await checks.tts(TtsSettings(tts_engine="scripted")),
    ):
        assert found.state == "ok"
