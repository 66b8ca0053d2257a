"""How much of what the broker sends is read at once."""

from typing import Any

import pytest

from services.runtime.bus import Bus
from services.runtime.reading import READ_BYTES


async def test_the_client_is_ready_to_take_a_whole_question_at_once(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """nats-py reads with a number of its own that is set here from outside: an update of it must not forget that."""
    transport: Any = bus.client._transport
    read, sizes = transport.read, list[int]()

    async def counted(size: int) -> bytes:
        sizes.append(size)
        given: bytes = await read(size)
        return given

    monkeypatch.setattr(transport, "read", counted)
    for _ in range(2):
        await bus.client.flush()

    assert set(sizes) == {READ_BYTES}
    assert transport._io_reader._limit == READ_BYTES
