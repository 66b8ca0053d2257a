"""`python -m tests.observability`: a minute of what an operator sees, scraped by a real Prometheus, and drawn.

Callers ask and interrupt, a worker dies, another origin floods the bus. Every query of the dashboard is then asked of
Prometheus: one that it does not understand, or that has nothing to show, is said; 1 when there is any. It needs the
program `prometheus` on the PATH, and draws docs/observability.svg.
"""

import asyncio
import contextlib
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from websockets.asyncio.client import connect

from bus_schemas import Utterance
from services.cli import broker
from services.runtime import bus as buses
from services.runtime import streams
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import QueueFull
from tests.edge.asking import tone
from tests.harness import free_port
from tests.observability import fleet, named, picture
from tests.observability.fleet import Fleet
from tests.observability.picture import Prometheus

SECONDS = 75.0
CALLERS, FLOOD = 3, 150
FLOOD_AT = 40.0
MAY_BE_EMPTY = {"Errors a minute A", "Events that were not finished, a minute A"}
"""What went wrong, where something did."""
SETTINGS = {
    "SCRIPTED_STT_MS": "150",
    "SCRIPTED_TTS_MS": "200",
    "SCRIPTED_REPLY": "First of all, hello. Then this goes on for a while, so that there is something to hear.",
    "SCRIPTED_TTS_WORDS_PER_SECOND": "10",
}
SCRAPES = "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [{rules}]\nscrape_configs:\n"
JOB = "  - {{ job_name: voicebus-{name}, static_configs: [{{ targets: ['127.0.0.1:{port}'] }}] }}\n"


async def caller(url: str, interrupts: bool) -> None:
    """Ask again and again over one socket; one that interrupts says so in the middle of each third answer."""
    async with connect(f"{url}?stream=1") as client:
        for turn in range(10_000):
            await client.send(tone(1.5))
            heard = 0
            while True:
                frame = await client.recv()
                heard += isinstance(frame, bytes)
                if interrupts and turn % 3 == 0 and heard == 1 and isinstance(frame, bytes):
                    await client.send('{"cancel": true}')
                if isinstance(frame, str) and ('"done"' in frame or '"error"' in frame):
                    break
            await asyncio.sleep(0.3)


async def flood(bus: Bus) -> None:
    """Another system asks far too much at once."""
    await asyncio.sleep(FLOOD_AT)
    for n in range(FLOOD):
        with contextlib.suppress(QueueFull):
            await bus.publish(Utterance(origin="flood", session=f"s{n}", turn=f"t{n}", wav=tone(1.0)))


async def whole(url: str) -> None:
    """A client of the old contract."""
    async with connect(url) as client:
        while True:
            await client.send(tone(1.0))
            await client.recv()
            await client.recv()
            await asyncio.sleep(0.5)


async def minute(running: Fleet, bus: Bus) -> None:
    """What happens meanwhile."""
    work = [caller(running.url, interrupts=number == 0) for number in range(CALLERS)]
    tasks = [asyncio.create_task(each) for each in (*work, whole(running.url), flood(bus))]
    await asyncio.sleep(SECONDS)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def watched(running: Fleet, data: Path) -> AsyncIterator[Prometheus]:
    """A Prometheus that scrapes the fleet each second, with the alert rules."""
    program, port = shutil.which("prometheus"), free_port()
    if program is None:
        sys.exit("there is no prometheus here: install it (Debian: apt install prometheus)")
    places = "".join(JOB.format(name=name, port=at) for name, at in running.ports.items())
    (data / "prometheus.yml").write_text(SCRAPES.format(rules=named.ALERTS) + places)
    words = [f"--config.file={data}/prometheus.yml", f"--storage.tsdb.path={data}/tsdb"]
    with (data / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, *words, f"--web.listen-address=127.0.0.1:{port}", stdout=log, stderr=log
        )
        try:
            yield Prometheus(f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            await process.wait()


async def trial(data: Path) -> list[str]:
    """All of it; gives what is wrong."""
    dying = {"VOICEBUS_FAILPOINT": "before-ack:25", "VOICEBUS_FAILPOINT_MARKER": str(data / "died")}
    async with (
        broker.start(free_port(), data) as started,
        buses.connect(BusSettings(nats_url=started.url), "trial") as bus,
    ):
        await streams.setup(bus.jetstream, streams.StreamSettings(ack_wait=1.0))
        async with (
            fleet.running(started.url, data, SETTINGS, {"llm": dying}) as running,
            watched(running, data) as prometheus,
        ):
            began = time.time()
            await minute(running, bus)
            found = await asyncio.to_thread(picture.drawn, prometheus, began, time.time())
    return [f"{where}: {why}" for where, why in found.items() if where not in MAY_BE_EMPTY or why != picture.NOTHING]


def main() -> int:
    """Run it, and say what is wrong."""
    with tempfile.TemporaryDirectory(prefix="voicebus-observability-") as data:
        problems = asyncio.run(trial(Path(data)))
    for problem in problems:
        sys.stdout.write(f"WRONG: {problem}\n")
    sys.stdout.write(f"drawn: {picture.PATH}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
