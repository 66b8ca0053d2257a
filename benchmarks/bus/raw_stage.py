"""A stage written with nats-py alone: `python -m benchmarks.bus.raw_stage STAGE URL`.

It fetches as many messages as it has free slots, publishes with a message id, waits for the PubAck, then acks.
It knows no event, no deadline, no cancel, no retry: what any chain with these guarantees has to pay.
"""

import sys

import nats
from nats.aio.msg import Msg

from benchmarks import raw_pull

from . import chain, loop


async def work(stage: str, url: str) -> None:
    """Work until killed."""
    client = await nats.connect(url)
    jetstream = client.jetstream()
    queue = await jetstream.pull_subscribe_bind(consumer=stage, stream=chain.STREAMS[stage])
    payload = chain.output(stage)

    async def hop(message: Msg) -> None:
        subject, message_id = chain.following(stage, message.subject, (message.headers or {})["Nats-Msg-Id"])
        await jetstream.publish(subject, payload, timeout=chain.ACK_SECONDS, headers={"Nats-Msg-Id": message_id})
        await message.ack()

    await raw_pull.work(queue, chain.SLOTS, hop)


if __name__ == "__main__":
    loop.run(work(sys.argv[1], sys.argv[2]))
