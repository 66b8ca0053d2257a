"""An answer as it comes: its parts, with the time at which each came, and what they make together."""

from msgspec import Struct

from bus_schemas import Step
from bus_schemas.frames import Done, Restarted, Spoken, Transcription


class Part(Struct, frozen=True):
    """One frame of a streamed answer."""

    seconds: float
    """When it came, counted from when its question was sent."""
    frame: Transcription | Spoken | Restarted | Done
    wav: bytes = b""
    """The sound that came with a `Spoken`: a WAV file of its own."""


class Collected:
    """What counts of the parts of one answer, in the order in which they came."""

    def __init__(self) -> None:
        self.transcription = ""
        self.llama = ""
        """The whole reply, once it is known."""
        self.wavs: list[bytes] = []
        """One of each piece, in order."""
        self.trail: tuple[Step, ...] = ()
        self.first_sound: float | None = None
        """Seconds from the question to the first sound, also when that did not count in the end."""
        self.restarts = 0

    def add(self, part: Part) -> None:
        """Take the next part."""
        match part.frame:
            case Transcription(transcription):
                self.transcription = transcription
            case Spoken():
                self.wavs.append(part.wav)
                self.first_sound = part.seconds if self.first_sound is None else self.first_sound
            case Restarted():
                self.wavs.clear()
                self.restarts += 1
            case Done() as done:
                self.transcription, self.llama, self.trail = done.transcription, done.llama, done.trail
