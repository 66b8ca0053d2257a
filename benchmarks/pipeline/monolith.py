"""The program before voicebus, as its README describes it: FastAPI, one process, whole answers: `... PORT`.

Each stage runs in a thread, which is more than such programs usually do: on the event loop, eight callers were refused.
Runs in an environment of its own (`requirements/bench-monolith.in`).
"""

import asyncio
import sys

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from benchmarks.pipeline import peer_models

app = FastAPI()


@app.websocket("/ws")
async def answer(socket: WebSocket) -> None:
    """A WAV in; the texts and a WAV out."""
    await socket.accept()
    try:
        while True:
            heard = await asyncio.to_thread(peer_models.transcribe, await socket.receive_bytes())
            reply = await asyncio.to_thread(peer_models.ask, socket.query_params["llm"], heard)
            sound = await asyncio.to_thread(peer_models.speak, reply)
            await socket.send_json({"transcription": heard, "llama": reply})
            await socket.send_bytes(sound)
    except WebSocketDisconnect:
        return


if __name__ == "__main__":
    peer_models.whisper()
    peer_models.piper()
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
