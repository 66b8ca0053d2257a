"""Ask voicebus a question, hear the answer while it is made, save reply.wav: `python stream.py URL WAV`."""

import asyncio
import json
import os
import sys
import wave
from io import BytesIO
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException


async def ask(url, question):
    """Print the words as they come; returns the WAVs of the answer in order."""
    wavs = []
    key = os.environ.get("VOICEBUS_KEY")  # where the edge asks for one
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with connect(f"{url}?stream=1", additional_headers=headers) as voicebus:
        await voicebus.send(question)
        while True:
            frame = json.loads(await voicebus.recv())
            if "error" in frame:
                raise RuntimeError(f"{frame['error']['code']}: {frame['error']['message']}")
            if "done" in frame:
                print("answer:", frame["llama"])
                return wavs
            if "restarted" in frame:  # what came so far does not count
                wavs.clear()
            elif "n" in frame:  # the next frame is the sound of this sentence, or of a further piece of it
                wavs.append(await voicebus.recv())  # a player would play it here and now
                if "llama" in frame:
                    print(f"sentence {frame['n']}:", frame["llama"], flush=True)
            elif "transcription" in frame:
                print("heard:", frame["transcription"], flush=True)


# To interrupt: await voicebus.send(next_question), or send('{"cancel": true, "sentences": 1}').


try:
    url, path = sys.argv[1:]
    wavs = asyncio.run(ask(url, Path(path).read_bytes()))
except (RuntimeError, OSError, WebSocketException) as error:
    sys.exit(f"failed: {error}")
sound, frames = None, b""
for wav in wavs:
    with wave.open(BytesIO(wav)) as piece:
        if piece.getnframes():  # what cannot be said has none
            sound, frames = piece.getparams(), frames + piece.readframes(piece.getnframes())
if sound:
    with wave.open("reply.wav", "wb") as out:
        out.setparams(sound)
        out.writeframes(frames)
