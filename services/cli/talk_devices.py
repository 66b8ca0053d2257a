"""The microphone and the speaker of this machine, by PortAudio."""

import asyncio
import contextlib
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any, Self

import numpy as np

from services.runtime import wav
from services.runtime.errors import StartError
from services.runtime.wav import Sound, WavLimits

MOST_SECONDS = 115.0
"""Of a recording: an edge takes 120."""
STUCK_SECONDS = 5.0
"""So much longer than a sound a speaker may take for it."""
KIND = "int16"


def library() -> ModuleType:
    """The package that reaches the devices. Raises: StartError when it, or PortAudio, is not installed."""
    try:
        import sounddevice
    except ImportError as error:
        raise StartError("talk needs the package sounddevice: in a clone, make extra NAME=talk") from error
    except OSError as error:
        raise StartError(
            f"talk needs PortAudio ({error}): install it, on Debian and Ubuntu `apt install libportaudio2`"
        ) from error
    found: ModuleType = sounddevice
    return found


class _Left:
    """What is to be played of a sound; it is taken by another thread."""

    def __init__(self, samples: bytes, over: Callable[[], object]) -> None:
        self._samples = samples
        self._at = 0
        self._over = over

    def take(self, count: int) -> bytes:
        """The next *count* bytes, or what there is."""
        taken = self._samples[self._at : self._at + count]
        self._at += count
        if self._at >= len(self._samples):
            self._over()
        return taken


class Devices:
    """Both of them; *microphone* and *speaker* are names or numbers of PortAudio, empty for the machine's own choice.

    Made where the devices are there. Raises: StartError, for those that are not.
    """

    def __init__(self, microphone: str = "", speaker: str = "") -> None:
        self._audio = library()
        self._microphone, self._rate = self._found(microphone, "input", "microphone", "--microphone")
        self._speaker, self._out_rate = self._found(speaker, "output", "speaker", "--speaker")
        self._left: _Left | None = None
        self._out: Any = None

    async def __aenter__(self) -> Self:
        self._out = await self._done(self._opened, "the speaker")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._out.stop)  # after what it still has
        await asyncio.to_thread(self._out.close)

    async def record(self, until: asyncio.Event) -> bytes:
        """Record until *until* is set, or MOST_SECONDS are over. Raises: StartError."""
        parts: list[bytes] = []

        def heard(data: Any, *_: object) -> None:
            parts.append(bytes(data))

        def begin() -> Any:
            options = {"samplerate": self._rate, "channels": 1, "dtype": KIND, "device": self._microphone}
            stream = self._audio.RawInputStream(callback=heard, **options)
            stream.start()
            return stream

        stream = await self._done(begin, "the microphone")
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(MOST_SECONDS):
                    await until.wait()
        finally:
            await asyncio.to_thread(stream.close)
        return wav.write(Sound(np.frombuffer(b"".join(parts), np.int16), self._rate))

    async def play(self, data: bytes) -> None:
        """Play a WAV file; it returns when the device has the last of it. Raises: StartError."""
        if len(data) <= wav.HEADER_BYTES:
            return
        sound = await asyncio.to_thread(lambda: wav.resample(wav.read(data, WavLimits()), self._out_rate))
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        self._left = _Left(sound.samples.tobytes(), lambda: loop.call_soon_threadsafe(done.set))
        try:
            async with asyncio.timeout(sound.seconds + STUCK_SECONDS):
                await done.wait()
        except TimeoutError:
            raise StartError("the speaker takes no sound any more: is it still plugged in?") from None
        finally:
            self._left = None

    def _opened(self) -> Any:
        """The speaker's one stream, silent until something is played: what is opened for each sound begins late."""
        options = {"samplerate": self._out_rate, "channels": 1, "dtype": KIND, "device": self._speaker}
        out = self._audio.RawOutputStream(callback=self._fill, **options)
        out.start()
        return out

    def _fill(self, wanted: Any, *_: object) -> None:
        """Called by PortAudio, in its own thread, for the next few milliseconds."""
        left = self._left
        sound = left.take(len(wanted)) if left else b""
        wanted[:] = sound.ljust(len(wanted), b"\0")

    def _found(self, wanted: str, kind: str, name: str, option: str) -> tuple[int | str | None, int]:
        """A device, and the rate to use it with."""
        device = int(wanted) if wanted.isdigit() else wanted or None
        try:
            usual = int(self._audio.query_devices(device, kind)["default_samplerate"])
        except (self._audio.PortAudioError, ValueError) as error:
            raise StartError(f"there is no {name} here ({error}); plug one in, or name one with {option}") from error
        if kind == "input":
            with contextlib.suppress(self._audio.PortAudioError, ValueError):
                self._audio.check_input_settings(device, 1, KIND, samplerate=wav.RATE)
                return device, wav.RATE
        return device, usual

    async def _done(self, work: Any, what: str) -> Any:
        try:
            return await asyncio.to_thread(work)
        except self._audio.PortAudioError as error:
            raise StartError(f"{what} cannot be used: {error}; is it plugged in, and used by nobody else?") from error
