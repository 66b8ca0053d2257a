"""The whole of voicebus as its users run it: `voicebus up`, one process a service."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from tests.harness import free_port

START_SECONDS = 120
STOP_SECONDS = 20

SCRIPTED = {"STT_ENGINE": "scripted", "LLM_ENGINE": "scripted", "TTS_ENGINE": "scripted"}


class Pipeline(Struct, frozen=True):
    """A pipeline that is ready."""

    url: str
    nats_url: str
    process: "subprocess.Popen[str]"


@contextmanager
def running(data: Path, settings: Mapping[str, str]) -> Iterator[Pipeline]:
    """`voicebus up` on free ports, with its data under *data*; stopped with SIGTERM at the end."""
    port, nats_port = free_port(), free_port()
    environment = {**os.environ, **settings, "PORT": str(port), "NATS_PORT": str(nats_port), "VOICEBUS_DATA": str(data)}
    log = data / "up.log"
    data.mkdir(parents=True, exist_ok=True)
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli.main", "up"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "ready" in line, f"voicebus up did not become ready: {log.read_text()[-3000:]}"
        yield Pipeline(f"ws://127.0.0.1:{port}/ws", f"nats://127.0.0.1:{nats_port}", process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()
    assert code == 0, f"voicebus up ended with {code}: {log.read_text()[-3000:]}"
