"""A stage written with FastStream, as its own pages show it: `python -m benchmarks.bus.faststream_stage STAGE URL`.

Pull consumer, several workers, acked after the handler; `stream=` makes its publish wait for the PubAck.
"""

import sys
from typing import Any

from faststream import FastStream  # type: ignore[import-not-found]  # it lives in an environment of its own
from faststream.nats import JStream, NatsBroker, PullSub  # type: ignore[import-not-found]
from faststream.nats.annotations import NatsMessage  # type: ignore[import-not-found]

from . import chain, loop


def application(stage: str, url: str) -> FastStream:
    """The stage as a FastStream application."""
    broker = NatsBroker(url, logger=None)
    payload = chain.output(stage)
    target = "VOICE_ANSWER" if stage == "tts" else chain.STREAMS["llm" if stage == "stt" else "tts"]

    @broker.subscriber(  # type: ignore[untyped-decorator]
        f"voice.{chain.READS[stage]}.*.*",
        durable=stage,
        stream=JStream(chain.STREAMS[stage], declare=False),
        pull_sub=PullSub(batch_size=chain.SLOTS),
        max_workers=chain.SLOTS,
    )
    async def hop(body: bytes | dict[str, Any], message: NatsMessage) -> None:
        subject, message_id = chain.following(stage, message.raw_message.subject, message.headers["Nats-Msg-Id"])
        headers = {"Nats-Msg-Id": message_id}
        await broker.publish(payload, subject, headers=headers, stream=target, timeout=chain.ACK_SECONDS)

    return FastStream(broker, logger=None)


if __name__ == "__main__":
    loop.run(application(sys.argv[1], sys.argv[2]).run())
