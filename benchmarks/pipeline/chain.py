"""A chain of three stages and its own broker: `python -m benchmarks.pipeline.chain KIND PORT STORE`.

KIND is `raw` or `faststream`; runs in the environment of `requirements/bench-chain.in`. BENCH_NATS_SERVER names the
broker's program. Says `ready` when every stage waits for work; who starts it ends its whole process group.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import time

import nats
from nats.errors import Error

from benchmarks.pipeline import chain_names

STAGES = ("stt", "llm", "tts")
TRY_SECONDS = 30.0


async def declare(url: str) -> None:
    """Make the stream of the answers, which no stage reads, as soon as the broker is there. Raises: TimeoutError."""
    async with asyncio.timeout(TRY_SECONDS):
        while True:
            try:
                client = await nats.connect(url, allow_reconnect=False)
                break
            except (OSError, Error):
                await asyncio.sleep(0.1)
    subject = chain_names.subject("speech", "*")
    await client.jetstream().add_stream(name=chain_names.stream("speech"), subjects=[subject], max_age=120)
    await client.close()


def main(server: str, kind: str, port: str, store: str) -> None:
    """Start the broker, then the stages, and stay as long as they do."""
    shutil.rmtree(store, ignore_errors=True)
    url = f"nats://127.0.0.1:{port}"
    subprocess.Popen((server, "-a", "127.0.0.1", "-p", port, "-js", "-sd", store))
    asyncio.run(declare(url))
    module = f"benchmarks.pipeline.chain_{kind}"
    commands = [(sys.executable, "-m", module, stage, url) for stage in STAGES]
    stages = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
    if all(stage.stdout and stage.stdout.readline() for stage in stages):
        print("ready", flush=True)  # noqa: T201 - who started it waits for this
    while all(stage.poll() is None for stage in stages):
        time.sleep(1)
    sys.exit("a stage has ended: its error stands above")


if __name__ == "__main__":
    main(os.environ["BENCH_NATS_SERVER"], *sys.argv[1:])
