"""The settings of llm."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit, urlunsplit

from msgspec import Meta, Struct
from msgspec.structs import replace

from services.runtime.serve import RuntimeSettings
from services.runtime.settings import Positive, Seconds, Secret, masked

SYSTEM_PROMPT = (
    "Answer in plain sentences, about 60 words at most, in the language of the question. "
    "Your answer is read aloud: no Markdown, no lists, no emoji."
)
SCRIPTED_REPLY = (
    "This reply was written in advance, so no model had to be loaded. You said: {transcript} "
    "The words come at a steady pace, and each sentence is spoken while the next one is written."
)


class ScriptedSettings(Struct, frozen=True):
    """What the scripted engine answers."""

    scripted_reply: str = SCRIPTED_REPLY
    """The reply; {transcript} is the question, {previous} the question before it, {attempt} counts the replies."""
    scripted_words_per_second: Annotated[float, Meta(ge=0)] = 25.0
    """How fast the reply is written; 0: at once."""


class LlmSettings(Struct, frozen=True):
    """Which model answers, how much, and what it remembers."""

    runtime: RuntimeSettings = RuntimeSettings()
    """What every service needs."""
    llm_engine: Literal["", "ollama", "openai", "llama-cpp", "scripted"] = ""
    """ollama, openai (any server of that protocol), llama-cpp (in process) or scripted; empty: ollama when
    LLAMA_ENDPOINT is set, otherwise llama-cpp."""
    llama_endpoint: str = ""
    """Where Ollama listens, such as http://localhost:11434."""
    llama_loopback_host: str = ""
    """The host that a loopback LLAMA_ENDPOINT stands for; a container has nothing on its own loopback, and
    docker-compose.yml says its Ollama. Empty: this machine."""
    llama_model: str = ""
    """ollama: the name of a model, as `ollama list` shows it. openai: a name of the server's /models. llama-cpp: a
    .gguf file; empty: the SmolLM2 of PyPI."""
    openai_base_url: str = ""
    """openai: where the server listens, such as http://localhost:8000/v1 for vLLM."""
    openai_api_key: Secret = ""
    """openai: the key that the server asks for; empty: it asks for none."""
    llama_silence_seconds: Seconds = 60.0
    """ollama, openai: how long the server may say nothing before it counts as away."""
    llama_load_seconds: Seconds = 300.0
    """ollama: how long it may load the model, when llm starts and whenever the server was away."""
    llama_keep_alive: str = "-1"
    """ollama: how long it keeps the model loaded, such as 5m; -1: for ever."""
    llm_system_prompt: str = SYSTEM_PROMPT
    """What the model is told before the conversation."""
    llm_max_tokens: Positive = 128
    """The longest reply in tokens, about 90 English words."""
    llm_max_sentences: Positive = 32
    """The longest reply in sentences; what comes after is not read."""
    llm_thinks: bool = False
    """The model's chat template opens `<think>` itself, so that a reply begins inside a thought: nothing before
    its `</think>` is spoken. What stands between the two tags never is."""
    llm_temperature: Annotated[float, Meta(ge=0)] = 0.0
    """0: always the likeliest word; higher: more varied."""
    llm_context: Annotated[int, Meta(ge=256)] = 4096
    """Tokens that a conversation, the prompt and the reply may take together."""
    llm_threads: Positive = 1
    """llama-cpp: threads of the CPU. A large model wants more; the embedded one is fastest, and cheapest, with 1."""
    llm_concurrency: Positive = 2
    """Replies written at once; for a server as many as it works on at once (OLLAMA_NUM_PARALLEL)."""
    memory_turns: Annotated[int, Meta(ge=0)] = 8
    """Earlier turns of the session that the model is shown."""
    memory_seconds: Seconds = 3600.0
    """How long a turn is remembered."""
    scripted: ScriptedSettings = ScriptedSettings()
    """What the scripted engine answers."""


EMBEDDED_MODEL = "SmolLM2-135M"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def reached(settings: LlmSettings) -> LlmSettings:
    """The settings with LLAMA_LOOPBACK_HOST in the place of a loopback LLAMA_ENDPOINT."""
    if not settings.llama_loopback_host:
        return settings
    try:
        parts = urlsplit(settings.llama_endpoint)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return settings  # the engine says what is wrong with it
    if parts.hostname not in LOOPBACK:
        return settings
    return replace(settings, llama_endpoint=urlunsplit(parts._replace(netloc=f"{settings.llama_loopback_host}{port}")))


def engine(settings: LlmSettings) -> tuple[Literal["ollama", "openai", "llama-cpp", "scripted"], str]:
    """The engine in force, and why it is this one."""
    if settings.llm_engine:
        return settings.llm_engine, f"LLM_ENGINE={settings.llm_engine}"
    if settings.llama_endpoint:
        return "ollama", f"LLM_ENGINE is unset and LLAMA_ENDPOINT={masked(settings.llama_endpoint)}"
    return "llama-cpp", "LLM_ENGINE and LLAMA_ENDPOINT are unset: the embedded default"


def runs(settings: LlmSettings) -> dict[str, str]:
    """What a worker says that it runs; a server's address may hold a password, and is not told."""
    name, _ = engine(settings)
    match name:
        case "scripted":
            return {"engine": name}
        case "llama-cpp":
            return {"engine": name, "model": Path(settings.llama_model).name or EMBEDDED_MODEL, "device": "cpu"}
    return {"engine": name, "model": settings.llama_model, "device": "server"}
