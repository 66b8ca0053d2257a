"""Who is compared, how each is started, and how each is asked."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx
from msgspec import Struct

from benchmarks import environments
from services.cli import bench_turn, broker, ports
from services.cli.bench_turn import Timed

from . import chain_client, models, scripts, wyoming
from .processes import Program

HERE = Path(__file__).parent
SECONDS = 120.0
"""The longest wait for an answer: nobody is made to look better by giving up."""
REAL, SCRIPTED = "real", "scripted"
VOICEBUS, STREAMED = "voicebus", "voicebus, streamed"
ANSWERS = (REAL, SCRIPTED)
"""SmolLM2, greedy, at most 24 tokens; three sentences at 25 words a second."""
WAV_HEADER_BYTES = 44

Ask = Callable[[bytes, str, httpx.AsyncClient], Awaitable[Timed]]
"""Asks the WAV; the answer is a real or a scripted one."""


class Contender(Struct, frozen=True):
    """One way to answer."""

    name: str
    programs: Sequence[Program]
    costs: Callable[[str], Sequence[str]]
    """The names of the programs that work for an answer, a real or a scripted one."""
    ask: Ask


class Models(Struct, frozen=True):
    """The two language models that the peers ask over HTTP."""

    programs: tuple[Program, Program]

    def url(self, answer: str) -> str:
        """Where the model listens, by OpenAI's protocol."""
        return f"http://127.0.0.1:{self.programs[ANSWERS.index(answer)].port}/v1"


def prepare() -> tuple[Models, list[Contender]]:
    """Everybody, on ports that are free; environments and models that are missing are made first.

    Raises: SetupError, StartError.
    """
    real, scripted, monolith, pipecat, ears, mouth, raw, faststream, *own = (ports.free() for _ in range(12))
    language = _language_models(real, scripted)
    peers = [_monolith(language, monolith), _pipecat(language, pipecat), _wyoming(language, ears, mouth)]
    kinds = (("nats-py chain", "raw", raw), ("FastStream chain", "faststream", faststream))
    chains = [_chain(name, kind, language, port) for name, kind, port in kinds]
    return language, [*_voicebus(own), *peers, *chains]


def _language_models(real: int, scripted: int) -> Models:
    python = str(environments.python("monolith"))
    return Models(
        (
            Program("llm-real", (sys.executable, str(HERE / "llm_real.py"), str(real), str(models.llm())), real),
            Program("llm-scripted", (python, str(HERE / "llm_scripted.py"), str(scripted)), scripted),
        )
    )


def _voicebus(ports: Sequence[int]) -> list[Contender]:
    """As it comes, but for the answer's length; with the model or the script, asked for all at once or in pieces."""
    data = models.FOLDER / "voicebus"
    told = {
        REAL: {"LLM_MAX_TOKENS": str(scripts.MAX_TOKENS)},
        SCRIPTED: {
            "LLM_ENGINE": "scripted",
            "SCRIPTED_REPLY": scripts.ANSWER,
            "SCRIPTED_WORDS_PER_SECOND": str(scripts.WORDS_A_SECOND),
        },
    }
    programs = {}
    for (answer, settings), port, nats_port in zip(told.items(), ports[:2], ports[2:], strict=True):
        own = {"PORT": str(port), "NATS_PORT": str(nats_port), "VOICEBUS_DATA": str(data / answer), **settings}
        command = (sys.executable, "-m", "services.cli.main", "up")
        programs[answer] = Program(f"voicebus-{answer}", command, port, own, "ready on")

    def asking(stream: bool) -> Ask:
        async def ask(wav: bytes, answer: str, _client: httpx.AsyncClient) -> Timed:
            query = f"timeout={SECONDS:g}{'&stream=1' if stream else ''}"
            url = f"ws://127.0.0.1:{programs[answer].port}/ws?{query}"
            return await bench_turn.ask(url, wav, stream=stream, seconds=SECONDS, headers={})

        return ask

    def costs(answer: str) -> Sequence[str]:
        return (programs[answer].name,)

    return [
        Contender(STREAMED, tuple(programs.values()), costs, asking(True)),
        Contender(VOICEBUS, (), costs, asking(False)),
    ]


def _monolith(language: Models, port: int) -> Contender:
    program = _peer("monolith", "monolith", port)

    async def ask(wav: bytes, answer: str, _client: httpx.AsyncClient) -> Timed:
        url = f"ws://127.0.0.1:{program.port}/ws?llm={language.url(answer)}"
        return await bench_turn.ask(url, wav, stream=False, seconds=SECONDS, headers={})

    return Contender("FastAPI monolith", (program,), _with_model("monolith"), ask)


def _pipecat(language: Models, port: int) -> Contender:
    program = _peer("pipecat", "pipecat_server", port)

    async def ask(wav: bytes, answer: str, _client: httpx.AsyncClient) -> Timed:
        url = f"ws://127.0.0.1:{program.port}/ws?llm={language.url(answer)}"
        return await bench_turn.ask(url, wav, stream=True, seconds=SECONDS, headers={})

    return Contender("Pipecat", (program,), _with_model("pipecat"), ask)


def _wyoming(language: Models, ears: int, mouth: int) -> Contender:
    python = str(environments.python("wyoming"))
    listen = f"--uri tcp://127.0.0.1:{ears} --data-dir {models.FOLDER} --local-files-only --stt-library faster-whisper"
    like_all = "--language en --beam-size 1 --cpu-threads 2 --compute-type int8"
    speak = f"--uri tcp://127.0.0.1:{mouth} --voice {models.VOICE} --local-files-only --data-dir"
    stt = (python, "-m", "wyoming_faster_whisper", *listen.split(), *like_all.split(), "--model", str(models.whisper()))
    tts = (python, "-m", "wyoming_piper", *speak.split(), str(models.voices()))

    async def ask(wav: bytes, answer: str, client: httpx.AsyncClient) -> Timed:
        return await wyoming.ask(wav[WAV_HEADER_BYTES:], ears, mouth, language.url(answer), client, SECONDS)

    programs = (Program("wyoming-stt", stt, ears), Program("wyoming-tts", tts, mouth))
    return Contender("Wyoming", programs, _with_model("wyoming-stt", "wyoming-tts"), ask)


def _chain(name: str, kind: str, language: Models, port: int) -> Contender:
    words = ("-m", "benchmarks.pipeline.chain", kind, str(port), str(models.FOLDER / f"chain-{kind}"))
    program = Program(f"chain-{kind}", (str(environments.python("chain")), *words), port, _told(), "ready")

    async def ask(wav: bytes, answer: str, _client: httpx.AsyncClient) -> Timed:
        return await chain_client.ask(wav, program.port, language.url(answer), SECONDS)

    return Contender(name, (program,), _with_model(program.name), ask)


def _peer(name: str, module: str, port: int) -> Program:
    """A program of ours that knows nothing of voicebus."""
    command = (str(environments.python(name)), "-m", f"benchmarks.pipeline.{module}", str(port))
    return Program(name, command, port, _told())


def _told() -> dict[str, str]:
    """What such a program has to know."""
    return {
        "PYTHONPATH": str(environments.ROOT),
        "BENCH_WHISPER": str(models.whisper()),
        "BENCH_VOICE": str(models.voices() / f"{models.VOICE}.onnx"),
        "BENCH_SYSTEM": scripts.SYSTEM,
        "BENCH_MAX_TOKENS": str(scripts.MAX_TOKENS),
        "BENCH_NATS_SERVER": broker.binary(),
    }


def _with_model(*names: str) -> Callable[[str], Sequence[str]]:
    """Its own programs, and the language model's server that works for it."""
    return lambda answer: (*names, f"llm-{answer}")
