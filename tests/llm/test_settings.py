"""Which model answers, and why."""

import time

import pytest

from services.llm import engines
from services.llm.engines import Message
from services.llm.engines.scripted import Scripted
from services.llm.settings import LlmSettings, ScriptedSettings, engine, reached
from services.runtime import settings
from services.runtime.errors import SettingsError


@pytest.mark.parametrize(
    ("environment", "expected", "reason"),
    [
        ({}, "llama-cpp", "unset"),
        ({"LLAMA_ENDPOINT": "http://localhost:11434"}, "ollama", "LLAMA_ENDPOINT=http://localhost:11434"),
        ({"LLAMA_ENDPOINT": "http://x", "LLM_ENGINE": "scripted"}, "scripted", "LLM_ENGINE=scripted"),
        ({"LLM_ENGINE": "ollama"}, "ollama", "LLM_ENGINE=ollama"),
    ],
)
def test_the_engine_follows_from_the_environment_and_says_why(
    environment: dict[str, str], expected: str, reason: str
) -> None:
    name, why = engine(settings.load(LlmSettings, environment))
    assert name == expected
    assert reason in why


@pytest.mark.parametrize(
    ("endpoint", "reaches"),
    [
        ("http://localhost:11434", "http://ollama:11434"),
        ("http://127.0.0.1:1234", "http://ollama:1234"),
        ("http://gpu.example:11434", "http://gpu.example:11434"),
    ],
)
def test_in_a_container_a_loopback_endpoint_means_the_host_that_is_named(endpoint: str, reaches: str) -> None:
    assert reached(LlmSettings(llama_endpoint=endpoint, llama_loopback_host="ollama")).llama_endpoint == reaches
    assert reached(LlmSettings(llama_endpoint=endpoint)).llama_endpoint == endpoint


def test_wrong_settings_are_all_named_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        settings.load(LlmSettings, {"LLM_ENGINE": "gpt", "LLM_MAX_TOKENS": "0", "LLM_CONTEXT": "many"})
    assert {line.split(":")[0] for line in str(error.value).splitlines()} == {
        "LLM_ENGINE",
        "LLM_MAX_TOKENS",
        "LLM_CONTEXT",
    }


async def say(scripted: engines.LanguageModel, *questions: str) -> str:
    messages = [Message("user", question) for question in questions]
    return "".join([text async for text in scripted.reply(messages)])


async def test_a_scripted_reply_knows_the_question_the_one_before_and_its_own_number() -> None:
    scripted = Scripted(ScriptedSettings(scripted_reply="{attempt} {previous} {transcript} {else}\n end "))
    assert await say(scripted, "A?") == "1  A? {else}\n end "
    assert await say(scripted, "A?", "{attempt}") == "2 A? {attempt} {else}\n end "


async def test_a_scripted_reply_comes_word_by_word_at_its_pace() -> None:
    model = engines.load(
        LlmSettings(
            llm_engine="scripted",
            scripted=ScriptedSettings(scripted_reply="one two three four", scripted_words_per_second=20),
        )
    )
    began = time.monotonic()
    words = [text async for text in model.reply([])]
    assert words == ["one ", "two ", "three ", "four"]
    assert time.monotonic() - began > 0.19
