"""The settings of the edge."""

from typing import Annotated

from msgspec import Meta, Struct

from bus_schemas.events import MAX_TIMEOUT_MS, TOKEN_PATTERN
from services.runtime.serve import RuntimeSettings
from services.runtime.settings import Port, Positive, Seconds, Secret
from services.runtime.shares import ShareSettings

NotNegative = Annotated[int, Meta(ge=0)]


class EdgeSettings(Struct, frozen=True):
    """What the edge reads."""

    runtime: RuntimeSettings = RuntimeSettings()
    """What every service needs."""
    share: ShareSettings = ShareSettings()
    """What one origin may have while others wait."""
    host: str = "127.0.0.1"
    """Where the edge listens: 127.0.0.1 for this machine alone, 0.0.0.0 for all. Off loopback a client may only come
    back to a session whose name the edge made."""
    port: Port = 8000
    """The port of the WebSocket, and of /healthz, /readyz and /metrics."""
    origin: Annotated[str, Meta(pattern=TOKEN_PATTERN)] = "web"
    """The name under which all edges of a deployment ask on the bus; where there are keys, each key has its own."""
    api_keys: Secret = ""
    """Who may ask: name:key[:turns a minute[:turns at once]], with commas or one a line; instead of a key sha256= and
    the 64 digits of its SHA-256. The name is the key's origin on the bus, and two lines of one name are two keys of one
    party. API_KEYS_FILE reads them from a file. Empty: everybody who reaches the edge may ask."""
    allowed_origins: str = ""
    """Web pages that may open a socket, besides those of the edge's own host: origins such as https://app.example with
    commas; * allows every page. Programs send no Origin and are not asked."""
    tls_cert: str = ""
    """A PEM file with the edge's certificate and those above it: the edge then speaks TLS alone, wss and https, and
    `voicebus say` asks that way."""
    tls_key: str = ""
    """A PEM file with the certificate's private key; empty: it is in TLS_CERT."""
    max_utterance_seconds: Annotated[float, Meta(gt=0, le=240)] = 120.0
    """The longest utterance that is taken; 240 s of 16 kHz are what a message of the bus holds."""
    max_frame_bytes: Positive = 32 * 1024 * 1024
    """The largest WAV that is taken; a larger one is refused, and one of twice this closes its socket."""
    max_reply_bytes: Positive = 1024 * 1024
    """The spoken reply is brought to 16 kHz when it would be larger; stock WebSocket clients take 1 MiB."""
    max_waiting_turns: NotNegative = 4
    """Turns of one socket that wait while one runs; beyond it the client hears `busy`."""
    max_sockets: Positive = 5000
    """Open sockets; beyond it the handshake is refused."""
    max_unread_bytes: Positive = 256 * 1024 * 1024
    """What all sockets together may have sent and the edge not read yet; beyond it the one that holds most is closed
    with 1013. At least twice MAX_FRAME_BYTES."""
    max_sockets_per_address: NotNegative = 0
    """Open sockets of one address (of an IPv6 network of 64 bits); 0: 256 where there are no keys and HOST is not
    loopback, otherwise no limit. Behind a proxy all have its address."""
    turns_per_minute: NotNegative = 0
    """Turns a minute of one address, where there are no keys; 0: no limit."""
    turn_seconds: Annotated[float, Meta(gt=0, le=MAX_TIMEOUT_MS / 1000)] = 60.0
    """How long an answer may take when the client does not say so with ?timeout=."""
    publish_seconds: Seconds = 5.0
    """How long the edge tries to put a turn on the bus when the broker is away."""
    silence_seconds: Seconds = 3.0
    """After so long without an event the edge reads from the broker what it may have missed of a turn."""
    cancel_on_close: bool = True
    """Whether a client that goes away cancels its turn. One that asked with ?turns=1, so that it can come back, cancels
    only by closing with 1000."""
    send_seconds: Seconds = 120.0
    """How long a client may take to read one frame of its reply; a slower one is closed with 1008."""
    receive_seconds: Seconds = 300.0
    """How long a client may take to send a WAV that it cuts into fragments; a slower one is closed with 1008."""
    ping_seconds: Seconds = 20.0
    """Pause between two pings to a client."""
    pong_seconds: Seconds = 300.0
    """A client that does not answer a ping for so long is gone. A slow one answers only after the WAV it is sending:
    32 MiB take 270 s at 1 Mbit/s."""
