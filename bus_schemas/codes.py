"""The codes of a `failed` event and of an `error` frame: one vocabulary for the bus and for the WebSocket."""

from typing import Final

DEADLINE: Final = "deadline"
BUSY: Final = "busy"
UNAVAILABLE: Final = "unavailable"
CRASHED: Final = "crashed"

REFUSED: Final = "refused."
"""`refused.<why>`: the sender's fault; the same request will be refused again."""

NOT_WAV: Final = REFUSED + "not_wav"
COMPRESSED: Final = REFUSED + "compressed"
UNSUPPORTED: Final = REFUSED + "unsupported"
EMPTY: Final = REFUSED + "empty"
TOO_LONG: Final = REFUSED + "too_long"
TOO_LARGE: Final = REFUSED + "too_large"
TRUNCATED: Final = REFUSED + "truncated"
TEXT_FRAME: Final = REFUSED + "text_frame"
UNKNOWN_PATH: Final = REFUSED + "unknown_path"
BAD_PARAMETER: Final = REFUSED + "bad_parameter"
UNAUTHORIZED: Final = REFUSED + "unauthorized"
ORIGIN: Final = REFUSED + "origin"
NOT_AN_EVENT: Final = REFUSED + "not_an_event"
LANGUAGE: Final = REFUSED + "language"
VOICE: Final = REFUSED + "voice"
UNKNOWN_TURN: Final = REFUSED + "unknown_turn"
