"""What a service runs on."""

import asyncio
import sys

import pytest
import uvloop
from msgspec import Struct

from services.runtime import serve


class Nothing(Struct, frozen=True):
    """A service without settings."""


def _loop_of_a_service() -> type[asyncio.AbstractEventLoop]:
    seen: list[type[asyncio.AbstractEventLoop]] = []

    async def service(_: Nothing, __: asyncio.Event) -> None:
        seen.append(type(asyncio.get_running_loop()))

    assert serve.run("stt", Nothing, service) == 0
    return seen[0]


def test_a_service_runs_on_uvloop_where_it_is_installed() -> None:
    assert _loop_of_a_service() is uvloop.Loop


def test_a_service_runs_without_uvloop_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)

    assert issubclass(_loop_of_a_service(), asyncio.BaseEventLoop)
