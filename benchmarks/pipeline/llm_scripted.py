"""A language model that always writes the same answer at a steady pace, by OpenAI's protocol: `... PORT`.

Runs in the monolith's environment.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.pipeline.scripts import ANSWER, WORDS_A_SECOND

app = FastAPI()


@app.post("/v1/chat/completions")
async def complete(request: Request) -> Response:
    """The answer, in one piece or word by word as it is asked for."""
    if (await request.json()).get("stream"):
        return StreamingResponse(_chunks(), media_type="text/event-stream")
    words = [word async for word in _words()]
    message = {"role": "assistant", "content": "".join(words)}
    return JSONResponse(_body("chat.completion", {"message": message, "finish_reason": "stop"}))


async def _words() -> AsyncGenerator[str, None]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for written, word in enumerate(ANSWER.split(), start=1):
        await asyncio.sleep(began + written / WORDS_A_SECOND - loop.time())
        yield word if written == 1 else f" {word}"


async def _chunks() -> AsyncGenerator[str, None]:
    async for word in _words():
        yield _event({"delta": {"content": word}, "finish_reason": None})
    yield _event({"delta": {}, "finish_reason": "stop"})
    yield "data: [DONE]\n\n"


def _event(choice: dict[str, object]) -> str:
    return f"data: {json.dumps(_body('chat.completion.chunk', choice))}\n\n"


def _body(kind: str, choice: dict[str, object]) -> dict[str, object]:
    return {"id": "scripted", "object": kind, "created": 0, "model": "scripted", "choices": [{"index": 0, **choice}]}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
