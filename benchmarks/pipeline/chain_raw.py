"""A stage written with nats-py alone: `python -m benchmarks.pipeline.chain_raw STAGE URL`."""

import asyncio
import sys

import nats
from nats.aio.msg import Msg
from nats.js.api import RetentionPolicy

from benchmarks.pipeline import chain_names, chain_steps
from benchmarks.pipeline.chain_names import ACK_SECONDS, SLOTS
from benchmarks.pipeline.chain_steps import STEPS

FETCH_SECONDS = 5.0


async def work(stage: str, url: str) -> None:
    """Work until killed."""
    step = STEPS[stage]
    await asyncio.to_thread(step.load)
    client = await nats.connect(url)
    jetstream = client.jetstream()
    name, subject = chain_names.stream(step.reads), chain_names.subject(step.reads, "*")
    await jetstream.add_stream(name=name, subjects=[subject], retention=RetentionPolicy.WORK_QUEUE)
    queue = await jetstream.pull_subscribe(subject, durable=stage, stream=name)
    running: set[asyncio.Task[None]] = set()

    async def hop(message: Msg) -> None:
        turn, given = message.subject.rsplit(".", 1)[1], message.headers or {}
        target, body, headers = await asyncio.to_thread(chain_steps.done, step, turn, message.data, given)
        await jetstream.publish(target, body, timeout=ACK_SECONDS, headers=headers)
        await message.ack()

    print("ready", flush=True)  # noqa: T201 - who started it waits for this
    while True:
        while len(running) >= SLOTS:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        try:
            messages = await queue.fetch(SLOTS - len(running), timeout=FETCH_SECONDS)
        except TimeoutError:  # nothing came
            continue
        for message in messages:
            task = asyncio.create_task(hop(message))
            running.add(task)
            task.add_done_callback(running.discard)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2]))
