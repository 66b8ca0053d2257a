"""deploy/nats/cluster.conf: three real brokers with the deployment's own users keep every stream three times."""

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from services.cli import broker as embedded
from services.runtime import bus, streams
from services.runtime.errors import StartError, Unavailable
from services.runtime.streams import StreamSettings
from tests.harness import free_port
from tests.security import locked

ROOT = Path(__file__).parents[2]
NAMES = ("nats", "nats-2", "nats-3")
PASSWORD = "p0of-the-routes"
FOUND_SECONDS = 20.0

pytestmark = pytest.mark.timeout(90)


class Member:
    """One broker of the three, on ports that the command line gives it."""

    def __init__(self, name: str, folder: Path, routes: list[int], own: int, password: str = PASSWORD) -> None:
        self.port, self.log = free_port(), folder / "nats.log"
        folder.mkdir()
        listed = ",".join(f"nats://route:{password}@127.0.0.1:{port}" for port in routes)
        words = ["-a", "127.0.0.1", "-p", str(self.port), "-m", str(free_port())]
        words += ["--cluster", f"nats://route:{password}@127.0.0.1:{own}"]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [embedded.binary(), "-c", str(ROOT / "deploy/nats/cluster.conf"), *words],
                env={
                    **os.environ,
                    **locked.environment(folder / "streams"),
                    "NATS_SERVER_NAME": name,
                    "NATS_ROUTE_PASSWORD": password,
                    "NATS_ROUTES": f"[{listed}]",
                },
                stdout=output,
                stderr=output,
            )

    def __enter__(self) -> "Member":
        return self

    def __exit__(self, *reason: object) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def three(tmp_path: Path) -> Iterator[tuple[list[Member], list[int]]]:
    routes = [free_port() for _ in NAMES]
    with ExitStack() as stack:
        yield (
            [
                stack.enter_context(Member(name, tmp_path / name, routes, own))
                for name, own in zip(NAMES, routes, strict=True)
            ],
            routes,
        )


async def made(members: list[Member]) -> dict[str, int]:
    """The copies of each stream, after `setup` with its own user; tried until the brokers have found each other."""
    async with asyncio.timeout(FOUND_SECONDS):
        while True:
            try:
                return await _make(members)
            except (StartError, Unavailable, APIError, NatsError, TimeoutError):
                await asyncio.sleep(0.5)


async def _make(members: list[Member]) -> dict[str, int]:
    url = ",".join(f"nats://127.0.0.1:{member.port}" for member in members)
    settings = bus.BusSettings(
        nats_url=url, nats_user="setup", nats_password=locked.password("setup"), nats_connect_seconds=5
    )
    async with bus.connect(settings, "setup") as connection:
        await streams.setup(connection.jetstream, StreamSettings(stream_replicas=3))
        names = (streams.UTTERANCE, streams.TRANSCRIPT, streams.SENTENCE, streams.ANSWER, f"KV_{streams.MEMORY}")
        return {name: (await connection.jetstream.stream_info(name)).config.num_replicas or 0 for name in names}


async def test_every_stream_is_kept_three_times_and_one_broker_may_die(
    three: tuple[list[Member], list[int]],
) -> None:
    """Made by the role `setup`; with a broker gone the other two still tell and keep."""
    members, _ = three
    assert set((await made(members)).values()) == {3}
    members[0].process.kill()
    assert set((await made(members[1:])).values()) == {3}


def test_a_broker_with_another_password_is_not_let_in(three: tuple[list[Member], list[int]], tmp_path: Path) -> None:
    """The routes have a password of their own: reaching the port is not enough."""
    members, routes = three
    asyncio.run(made(members))
    own, end = free_port(), time.monotonic() + 15
    with Member("stranger", tmp_path / "stranger", [*routes, own], own, password="pwrong") as stranger:
        while "Authorization Violation" not in stranger.log.read_text():
            assert time.monotonic() < end, "nobody refused the stranger"
            time.sleep(0.2)
    assert all("authentication error" in member.log.read_text() for member in members)


def test_the_override_names_three_brokers_to_everybody() -> None:
    """The services' addresses, the setup's copies and the brokers' routes are the same three."""
    found = yaml.safe_load((ROOT / "deploy/compose.cluster.yml").read_text(encoding="utf-8"))["services"]
    for name in ("setup", "edge", "stt", "llm", "tts"):
        assert found[name]["environment"]["NATS_URL"] == ",".join(f"nats://{broker}:4222" for broker in NAMES)
        assert found[name]["environment"]["STREAM_REPLICAS"] == "3"
    for name in NAMES:
        assert found[name]["environment"]["NATS_SERVER_NAME"] == name
        assert all(f"@{broker}:6222" in found[name]["entrypoint"][-1] for broker in NAMES)
