"""Ask voicebus a question, save the spoken answer as reply.wav: `python ask.py URL WAV`."""

import json
import os
import sys
from pathlib import Path

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect


def ask(url, question):
    """The answer in text, and its WAV."""
    key = os.environ.get("VOICEBUS_KEY")  # where the edge asks for one
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with connect(url, additional_headers=headers) as voicebus:
        voicebus.send(question)
        answer = json.loads(voicebus.recv(timeout=70))  # the edge itself gives up after 60 s
        if "error" in answer:
            raise RuntimeError(f"{answer['error']['code']}: {answer['error']['message']}")
        return answer, voicebus.recv()


try:
    url, path = sys.argv[1:]
    answer, wav = ask(url, Path(path).read_bytes())
except (RuntimeError, OSError, WebSocketException) as error:
    sys.exit(f"failed: {error}")
print("heard:", answer["transcription"])
print("answer:", answer["llama"])
Path("reply.wav").write_bytes(wav)
