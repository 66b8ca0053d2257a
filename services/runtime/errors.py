"""The errors of voicebus.

VoicebusError
|- SettingsError     a setting is wrong: the operator mends it (exit code 2)
|- StartError        a service cannot start: a port is taken, a model is missing (exit code 1)
|- BusLost           the broker is away, or no longer ours to use (exit code 1)
|- QueueFull         the stream that a message goes to has no room: the sender waits, or says busy
|- Busy              the sender has more in line than its share: the message ends with `failed busy`
|- Unavailable       an engine or the broker is down for now: the message waits
|- Refused           the sender's fault: the message ends with `failed refused.<why>`
`- Sick              this process cannot work any more: it hands back what it holds and ends (exit code 1)

Anything else that a handler raises is a crash: the message is tried once more, then ends with `failed crashed`.
"""


class VoicebusError(Exception):
    """Base of every error of voicebus; the text says what, where, and what to do."""


class SettingsError(VoicebusError):
    """One line for each bad setting."""


class StartError(VoicebusError):
    """The service cannot start."""


class BusLost(VoicebusError):
    """The connection to the broker is gone for good, or a permission is missing."""


class QueueFull(VoicebusError):
    """The stream has reached its limit of unfinished work."""


class Busy(VoicebusError):
    """Others wait while the sender has more than its share; after `retry_after` seconds another try may succeed."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(VoicebusError):
    """The engine or the broker cannot work now and may soon: a server that is away, a model still loading."""


class Sick(VoicebusError):
    """The process must end: an engine is broken beyond a retry."""


class Refused(VoicebusError):
    """The sender's fault. `code` is one of `bus_schemas.codes`, `message` a sentence for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
