"""The models of the peers that are programs of ours, used as the libraries' own pages show it; loaded at the first use.

Runs in the peers' environments and imports nothing of voicebus.
"""

import io
import os
import wave
from functools import cache

import httpx
import numpy as np
from faster_whisper import WhisperModel  # type: ignore[import-untyped]
from piper import PiperVoice

THREADS = 2
SECONDS = 120.0


@cache
def whisper() -> WhisperModel:
    """Whisper base."""
    return WhisperModel(os.environ["BENCH_WHISPER"], device="cpu", compute_type="int8", cpu_threads=THREADS)


@cache
def piper() -> PiperVoice:
    """Piper's joe."""
    return PiperVoice.load(os.environ["BENCH_VOICE"])


@cache
def llm() -> httpx.Client:
    """Connections to the language models."""
    return httpx.Client(timeout=SECONDS)


def transcribe(sound: bytes) -> str:
    """What was said in a WAV of 16 kHz, mono, 16-bit."""
    with wave.open(io.BytesIO(sound)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32_768
    segments, _ = whisper().transcribe(samples, language="en", beam_size=1)
    return "".join(segment.text for segment in segments).strip()


def ask(url: str, question: str) -> str:
    """The whole reply of the model at *url*."""
    messages = [{"role": "system", "content": os.environ["BENCH_SYSTEM"]}, {"role": "user", "content": question}]
    request = {
        "model": "bench",
        "messages": messages,
        "temperature": 0,
        "max_tokens": int(os.environ["BENCH_MAX_TOKENS"]),
    }
    reply = llm().post(f"{url}/chat/completions", json=request).raise_for_status().json()
    return str(reply["choices"][0]["message"]["content"]).strip()


def speak(text: str) -> bytes:
    """The reply as a WAV."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        piper().synthesize_wav(text, sound)
    return file.getvalue()
