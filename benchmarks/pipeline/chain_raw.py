"""A stage written with nats-py alone: `python -m benchmarks.pipeline.chain_raw STAGE URL`."""

import asyncio
import sys

import nats
from nats.aio.msg import Msg
from nats.js.api import RetentionPolicy

from benchmarks import raw_pull
from benchmarks.pipeline import chain_names, chain_steps
from benchmarks.pipeline.chain_names import ACK_SECONDS, SLOTS
from benchmarks.pipeline.chain_steps import STEPS


async def work(stage: str, url: str) -> None:
    """Work until killed."""
    step = STEPS[stage]
    await asyncio.to_thread(step.load)
    client = await nats.connect(url)
    jetstream = client.jetstream()
    name, subject = chain_names.stream(step.reads), chain_names.subject(step.reads, "*")
    await jetstream.add_stream(name=name, subjects=[subject], retention=RetentionPolicy.WORK_QUEUE)
    queue = await jetstream.pull_subscribe(subject, durable=stage, stream=name)

    async def hop(message: Msg) -> None:
        turn, given = message.subject.rsplit(".", 1)[1], message.headers or {}
        target, body, headers = await asyncio.to_thread(chain_steps.done, step, turn, message.data, given)
        await jetstream.publish(target, body, timeout=ACK_SECONDS, headers=headers)
        await message.ack()

    print("ready", flush=True)  # noqa: T201 - who started it waits for this
    await raw_pull.work(queue, SLOTS, hop)


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], sys.argv[2]))
