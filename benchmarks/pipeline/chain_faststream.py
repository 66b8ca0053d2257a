"""A stage written with FastStream, as its pages show it: `python -m benchmarks.pipeline.chain_faststream STAGE URL`."""

import asyncio
import sys

from faststream import FastStream  # type: ignore[import-not-found]  # it lives in an environment of its own
from faststream.nats import JStream, NatsBroker, PullSub  # type: ignore[import-not-found]
from faststream.nats.annotations import NatsMessage  # type: ignore[import-not-found]
from nats.js.api import RetentionPolicy

from benchmarks.pipeline import chain_names, chain_steps
from benchmarks.pipeline.chain_names import ACK_SECONDS, SLOTS
from benchmarks.pipeline.chain_steps import STEPS


def application(stage: str, url: str) -> FastStream:
    """The stage as a FastStream application."""
    step, broker = STEPS[stage], NatsBroker(url, logger=None)
    queue = JStream(chain_names.stream(step.reads), retention=RetentionPolicy.WORK_QUEUE)
    following = chain_names.stream(step.writes)

    @broker.subscriber(  # type: ignore[untyped-decorator]
        chain_names.subject(step.reads, "*"),
        durable=stage,
        stream=queue,
        pull_sub=PullSub(batch_size=SLOTS),
        max_workers=SLOTS,
    )
    async def hop(message: NatsMessage) -> None:
        turn = message.raw_message.subject.rsplit(".", 1)[1]
        done = asyncio.to_thread(chain_steps.done, step, turn, message.body, message.headers)
        target, body, headers = await done
        await broker.publish(body, target, headers=headers, stream=following, timeout=ACK_SECONDS)

    app = FastStream(broker, logger=None)

    @app.after_startup  # type: ignore[untyped-decorator]
    async def ready() -> None:
        print("ready", flush=True)  # noqa: T201 - who started it waits for this

    return app


if __name__ == "__main__":
    STEPS[sys.argv[1]].load()
    asyncio.run(application(sys.argv[1], sys.argv[2]).run())
