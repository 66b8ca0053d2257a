"""`voicebus setup` on a cluster of brokers that has not chosen a leader."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from services.cli import broker
from tests.cli.commands import run
from tests.harness import free_port


async def start(stack: AsyncExitStack, folder: Path, ports: list[int], routes: list[int], number: int) -> None:
    """One of three brokers."""
    others = ", ".join(f'"nats://127.0.0.1:{route}"' for route in routes)
    own = f'cluster {{ name: c, listen: "127.0.0.1:{routes[number]}", routes: [{others}] }}\nserver_name: n{number}'
    await stack.enter_async_context(broker.start(ports[number], folder / str(number), extra=own))


async def test_it_waits_for_a_leader_and_then_says_so_in_one_sentence(tmp_path: Path) -> None:
    """One broker of three elects nobody, and is one of those that do once the others have come."""
    ports, routes = [free_port() for _ in range(3)], [free_port() for _ in range(3)]
    async with AsyncExitStack() as stack:
        await start(stack, tmp_path, ports, routes, 0)
        url = f"nats://127.0.0.1:{ports[0]}"
        in_vain = await asyncio.to_thread(run, tmp_path, "setup", NATS_URL=url, NATS_CONNECT_SECONDS=2)
        assert in_vain.returncode == 1
        assert "Traceback" not in in_vain.stderr
        last = in_vain.stderr.splitlines()[-1]
        assert last.startswith(f"voicebus: the broker at {url} has no JetStream to use after 2 s")

        patient = asyncio.create_task(asyncio.to_thread(run, tmp_path, "setup", NATS_URL=url, NATS_CONNECT_SECONDS=30))
        for number in (1, 2):
            await start(stack, tmp_path, ports, routes, number)
        done = await patient
        assert (done.returncode, done.stdout) == (0, "streams stand\n"), done.stderr
