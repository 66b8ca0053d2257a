"""The program before voicebus, as its README describes it: FastAPI, one process, whole answers: `... PORT`.

Each stage runs in a thread, which is more than such programs usually do: on the event loop, eight callers were refused.
Runs in an environment of its own (`requirements/bench-monolith.in`) and imports nothing of voicebus.
"""

import asyncio
import io
import os
import sys
import wave

import httpx
import numpy as np
import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from faster_whisper import WhisperModel  # type: ignore[import-untyped]
from piper import PiperVoice

THREADS = 2

whisper = WhisperModel(os.environ["BENCH_WHISPER"], device="cpu", compute_type="int8", cpu_threads=THREADS)
piper = PiperVoice.load(os.environ["BENCH_VOICE"])
llm = httpx.Client(timeout=120)
app = FastAPI()


@app.websocket("/ws")
async def answer(socket: WebSocket) -> None:
    """A WAV in; the texts and a WAV out."""
    await socket.accept()
    try:
        while True:
            heard = await asyncio.to_thread(transcribe, await socket.receive_bytes())
            reply = await asyncio.to_thread(ask, socket.query_params["llm"], heard)
            sound = await asyncio.to_thread(speak, reply)
            await socket.send_json({"transcription": heard, "llama": reply})
            await socket.send_bytes(sound)
    except WebSocketDisconnect:
        return


def transcribe(sound: bytes) -> str:
    """What was said in a WAV of 16 kHz, mono, 16-bit."""
    with wave.open(io.BytesIO(sound)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32_768
    segments, _ = whisper.transcribe(samples, language="en", beam_size=1)
    return "".join(segment.text for segment in segments).strip()


def ask(url: str, question: str) -> str:
    """The model's whole reply."""
    messages = [{"role": "system", "content": os.environ["BENCH_SYSTEM"]}, {"role": "user", "content": question}]
    request = {
        "model": "bench",
        "messages": messages,
        "temperature": 0,
        "max_tokens": int(os.environ["BENCH_MAX_TOKENS"]),
    }
    reply = llm.post(f"{url}/chat/completions", json=request).raise_for_status().json()
    return str(reply["choices"][0]["message"]["content"]).strip()


def speak(text: str) -> bytes:
    """The reply as a WAV."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        piper.synthesize_wav(text, sound)
    return file.getvalue()


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
