"""One broker with the deployment's own configuration and its streams, for all tests of this folder."""

import asyncio
from collections.abc import Iterator

import pytest

from services.runtime import bus, streams
from services.runtime.streams import StreamSettings
from tests.security.locked import Locked, running


@pytest.fixture(scope="session")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    """It runs, and `setup` has made its streams as the user `setup`, twice, without a difference."""

    async def make(broker: Locked) -> list[str]:
        async with bus.connect(broker.settings("setup"), "setup") as connection:
            first = await streams.setup(connection.jetstream, StreamSettings())
            return [*first, *await streams.setup(connection.jetstream, StreamSettings())]

    with running(tmp_path_factory.mktemp("locked")) as broker:
        assert asyncio.run(make(broker)) == []
        yield broker
