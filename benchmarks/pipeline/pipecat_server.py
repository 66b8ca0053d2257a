# mypy: ignore-errors
"""Pipecat at its best for this question: `... PORT`.

One pipeline a connection, whose models are shared by all; a WAV is a whole utterance, so no time is lost on finding
its end; sentences are spoken as they are written. Runs in `requirements/bench-pipecat.in`'s environment.
"""

import functools
import io
import json
import os
import sys
import wave
from pathlib import Path

import uvicorn
from fastapi import FastAPI, WebSocket
from faster_whisper import WhisperModel
from loguru import logger
from pipecat.frames.frames import (
    InputAudioRawFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
    OutputTransportMessageUrgentFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.task import PipelineParams, PipelineTask
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.serializers.base_serializer import FrameSerializer
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.piper import tts
from pipecat.services.whisper.stt import WhisperSTTService
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

RATE, VOICE_RATE, THREADS = 16_000, 22_050, 2

app = FastAPI()
whisper = WhisperModel(os.environ["BENCH_WHISPER"], device="cpu", compute_type="int8", cpu_threads=THREADS)
voice = Path(os.environ["BENCH_VOICE"])
tts.PiperVoice.load = functools.cache(tts.PiperVoice.load)  # not once a connection, as the service would
tts.PiperVoice.load(voice, use_cuda=False)


class Greedy:
    """The shared Whisper with one beam: the service has no setting for it."""

    def transcribe(self, audio, **options):
        return whisper.transcribe(audio, beam_size=1, **options)


class Stt(WhisperSTTService):
    """Does not load a model of its own for each connection."""

    def _load(self):
        self._model = Greedy()


class Wire(FrameSerializer):
    """A WAV in; JSON texts and the samples as they come out."""

    async def serialize(self, frame):
        if isinstance(frame, OutputAudioRawFrame):
            return frame.audio
        if isinstance(frame, OutputTransportMessageFrame | OutputTransportMessageUrgentFrame):
            return json.dumps(frame.message)
        return None

    async def deserialize(self, data):
        with wave.open(io.BytesIO(data)) as file:
            return InputAudioRawFrame(file.readframes(file.getnframes()), RATE, 1)


class Utterance(FrameProcessor):
    """Says where the utterance begins and ends, in place of a detector."""

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        whole = isinstance(frame, InputAudioRawFrame)
        if whole:
            await self.push_frame(VADUserStartedSpeakingFrame(), direction)
        await self.push_frame(frame, direction)
        if whole:
            await self.push_frame(VADUserStoppedSpeakingFrame(), direction)


class Ask(FrameProcessor):
    """Puts each transcript to the model, without a memory."""

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if not isinstance(frame, TranscriptionFrame):
            await self.push_frame(frame, direction)
            return
        text = frame.text.strip()
        await self.push_frame(OutputTransportMessageUrgentFrame({"transcription": text}))
        messages = [{"role": "system", "content": os.environ["BENCH_SYSTEM"]}, {"role": "user", "content": text}]
        await self.push_frame(LLMContextFrame(LLMContext(messages)))


class Written(FrameProcessor):
    """Gathers what the model writes."""

    def __init__(self, said):
        super().__init__()
        self._said = said

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMTextFrame):
            self._said.append(frame.text)
        await self.push_frame(frame, direction)


class End(FrameProcessor):
    """Tells the client, behind the last sound, that this was all."""

    def __init__(self, said):
        super().__init__()
        self._said = said

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)
        if isinstance(frame, LLMFullResponseEndFrame):
            await self.push_frame(OutputTransportMessageFrame({"done": True, "llama": "".join(self._said)}))
            self._said.clear()


@app.websocket("/ws")
async def answer(socket: WebSocket):
    """A pipeline for one connection."""
    await socket.accept()
    params = FastAPIWebsocketParams(
        audio_in_enabled=True,
        audio_out_enabled=True,
        audio_in_sample_rate=RATE,
        audio_out_sample_rate=VOICE_RATE,
        serializer=Wire(),
    )
    transport = FastAPIWebsocketTransport(socket, params)
    task = PipelineTask(pipeline(transport, socket.query_params["llm"]), params=PipelineParams())

    @transport.event_handler("on_client_disconnected")
    async def gone(_transport, _socket):
        await task.cancel()

    await WorkerRunner(handle_sigint=False).run(task)


def pipeline(transport, url):
    """From the socket to the socket."""
    llm = OpenAILLMService(
        base_url=url,
        api_key="none",
        settings=OpenAILLMService.Settings(
            model="bench", temperature=0, max_tokens=int(os.environ["BENCH_MAX_TOKENS"])
        ),
    )
    speaker = tts.PiperTTSService(
        download_dir=voice.parent, settings=tts.PiperTTSService.Settings(voice=voice.stem), sample_rate=VOICE_RATE
    )
    stt = Stt(settings=WhisperSTTService.Settings(language="en", model=os.environ["BENCH_WHISPER"]))
    said = []
    processors = [transport.input(), Utterance(), stt, Ask(), llm, Written(said), speaker, End(said)]
    return Pipeline([*processors, transport.output()])


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level=os.environ.get("BENCH_LOG", "WARNING"))
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
