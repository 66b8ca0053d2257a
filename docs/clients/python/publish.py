"""Ask voicebus a question with only a NATS client, save reply.wav: `python publish.py URL WAV ORIGIN SESSION`."""

import asyncio
import json
import logging
import sys
import uuid
import wave
from collections import defaultdict
from io import BytesIO
from pathlib import Path

import nats
from nats.errors import Error as NatsError

SECONDS = 60  # how long we wait; the stages are told, and stop working then
QUEUE_IS_FULL = 10077  # the broker's code


def whole(takes, attempt, last):
    """The WAVs of sentences 0 to `last` in order, once each has a take with all its pieces; None before."""
    wavs = []
    for n in range(last + 1):
        spoken = [pieces for (a, m, _), pieces in takes.items() if (a, m) == (attempt, n)]
        # pieces are numbered from 0: as many as the number of the one with `end`, plus one, are all
        complete = next((pieces for pieces in spoken if pieces.get(len(pieces) - 1, ("", False))[1]), None)
        if complete is None:
            return None
        wavs += [complete[piece][0] for piece in range(len(complete))]
    return wavs


async def answer(messages, turn):
    """Follow a turn to its end: its reply and its WAVs. Nothing is put together across attempts or takes."""
    takes = defaultdict(dict)  # (attempt, n, take) -> {piece: (WAV, end)}; what comes twice falls on itself
    last, reply, newest = {}, {}, ""
    async for message in messages:
        name = message.subject.split(".")[1]
        header = (message.headers or {}).get("Voice-Event")  # beside a WAV; any other event is its body
        event = json.loads(header or message.data) if name != "utterance" else {}
        if event.get("turn") != turn:
            continue
        attempt = event.get("attempt", "")
        newest = max(newest, attempt)  # the name of a later attempt sorts later
        if name == "failed" and attempt in ("", newest):
            raise RuntimeError(f"{event['code']}: {event['message']}")
        if name == "transcript":
            print("heard:", event["text"], flush=True)
        if name == "speech":
            takes[attempt, event["n"], event["take"]][event.get("piece", 0)] = (message.data, event.get("end", False))
        if event.get("last"):
            last[attempt] = event["n"]
            reply[attempt] = event.get("reply") or reply.get(attempt, "")
        wavs = whole(takes, attempt, last[attempt]) if attempt in last else None
        if wavs is not None:
            return reply[attempt], wavs
    raise RuntimeError("the connection to the broker was lost")


async def ask(url, wav, origin, session):
    """Publish a question and follow its turn."""
    turn = uuid.uuid4().hex
    event = json.dumps({"turn": turn, "timeout_ms": SECONDS * 1000})  # ASCII, as a header must be
    headers = {"Voice-Event": event, "Nats-Msg-Id": f"{origin}.{session}.{turn}.0.utterance"}
    async with asyncio.timeout(SECONDS), await nats.connect(url, max_reconnect_attempts=1) as client:
        heard = await client.subscribe(f"voice.*.{origin}.{session}")  # before the question: an answer may be quick
        try:
            stored = await client.jetstream().publish(f"voice.utterance.{origin}.{session}", wav, headers=headers)
            if stored.duplicate:  # a message of this id was there before: not ours, which has just been made
                raise RuntimeError("the name of this question is taken: ask again")
            return await answer(heard.messages, turn)
        except BaseException:
            await client.publish(f"voice.cancel.{origin}.{session}", json.dumps({"turn": turn}).encode())
            raise


logging.disable()  # what matters comes as an exception
try:
    url, path, origin, session = sys.argv[1:]
    reply, wavs = asyncio.run(ask(url, Path(path).read_bytes(), origin, session))
except (RuntimeError, TimeoutError, NatsError, OSError) as error:
    busy = getattr(error, "err_code", None) == QUEUE_IS_FULL
    sys.exit("busy: ask again in a moment" if busy else f"failed: {str(error) or f'no answer within {SECONDS} s'}")
print("answer:", reply)
sound, frames = None, b""
for wav in filter(None, wavs):  # an empty one only ends a sentence
    with wave.open(BytesIO(wav)) as piece:
        sound, frames = piece.getparams(), frames + piece.readframes(piece.getnframes())
if sound:
    with wave.open("reply.wav", "wb") as out:
        out.setparams(sound)
        out.writeframes(frames)
