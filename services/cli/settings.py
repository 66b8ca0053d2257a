"""Settings of the `voicebus` command."""

from typing import Annotated

from msgspec import Meta, Struct

from services.runtime.log import LogSettings
from services.runtime.settings import Port, Seconds, Secret

from . import ports


class CliSettings(Struct, frozen=True):
    """What `up`, `demo` and `say` read from the environment."""

    host: str = ports.LOOPBACK
    """Where the edge listens."""
    port: Port = 8000
    """Where the edge listens; `voicebus say` talks to it there. 0: any free port."""
    tls_cert: str = ""
    """A PEM file with the edge's certificate and those above it: the edge then speaks TLS alone, wss and https, and
    `voicebus say` asks that way."""
    voicebus_key: Secret = ""
    """The API key with which `voicebus say`, `voicebus talk` and `voicebus demo` ask."""
    nats_url: str = ""
    """A broker that runs already. Empty: `voicebus up` and `voicebus demo` start their own."""
    nats_port: Port = 4222
    """The port of the broker that `voicebus up` starts. 0: any free port."""
    voicebus_data: str = ".voicebus"
    """The folder of that broker's streams, and of the demo's logs."""
    cores: Annotated[int, Meta(ge=0)] = 0
    """The cores that `voicebus up` plans for: how much of each service runs at once follows from it, where it is not
    set itself. 0: those that it may use; `voicebus config` says how many, and what follows."""
    start_timeout: Seconds = 300.0
    """How long the services may take to load their models, seconds."""
    stop_timeout: Seconds = 10.0
    """How long a service may take to finish what it holds when it is told to stop, seconds; then it is killed."""
    demo_once: bool = False
    """`voicebus demo` stops after its question, on a terminal too."""
    log: LogSettings = LogSettings()
