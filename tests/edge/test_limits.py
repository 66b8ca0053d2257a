"""Limits of a party: turns a minute, turns at once, sockets of an address; and which web pages may ask."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response
from websockets.typing import Origin

from bus_schemas import Event, Utterance, codes, frames
from bus_schemas.frames import Error, ErrorFrame
from services.cli.client import Client, NoAnswer
from services.edge import gate
from services.edge.gate import Gate
from services.edge.limits import Share, Turns
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import Refused
from tests.edge.asking import answering, edge, receive, speech, tone, two_sentences

ANA, BEN = "key-of-ana-0123456789", "key-of-ben-0123456789"
HERE = "http://127.0.0.1:8000"


@pytest.fixture
def edge_settings() -> EdgeSettings:
    """Those of this test's edge; override it in a test's parameters for others."""
    return EdgeSettings()


@pytest.fixture
async def server(bus: Bus, bus_settings: BusSettings, edge_settings: EdgeSettings) -> AsyncIterator[Edge]:
    """An edge that listens."""
    async with edge(bus_settings, edge_settings) as (running, _):
        yield running


def ask(server: Edge, key: str = "", origin: str = "") -> connect:
    """A stock client, with a key, or as a page of *origin*."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return connect(
        f"ws://127.0.0.1:{server.port}/ws", additional_headers=headers, origin=Origin(origin) if origin else None
    )


async def busy(client: ClientConnection) -> float:
    """The retry time of a `busy`."""
    async with asyncio.timeout(5):
        error = msgspec.json.decode(await client.recv(), type=ErrorFrame).error
    assert error.code == codes.BUSY
    assert error.retry_after is not None
    assert f"again in {error.retry_after:g} s" in error.message
    return error.retry_after


def waits(turns: Turns | Share, now: float) -> float | None:
    """How long the next turn has to wait; None when it was taken."""
    error = turns.take(now)
    return error.retry_after if error else None


def test_a_minutes_worth_at_once_then_evenly() -> None:
    """Who waits as long as told is let in, and no sooner."""
    turns = Turns(per_minute=3)

    assert [waits(turns, 100.0) for _ in range(4)] == [None, None, None, 20.0]
    assert waits(turns, 119.9) == 0.1
    assert [waits(turns, 120.0), waits(turns, 120.0)] == [None, 20.0]
    assert [waits(turns, 1000.0) for _ in range(4)] == [None, None, None, 20.0]


def test_a_refused_turn_costs_nothing() -> None:
    """Neither of the minute nor of those at once."""
    turns = Turns(per_minute=60, at_once=1)

    assert [waits(turns, 0.0) for _ in range(100)] == [None] + [1.0] * 99
    turns.end()
    assert waits(turns, 0.0) is None


def test_without_limits_every_turn_is_taken() -> None:
    """0 is no limit."""
    turns = Turns()

    assert {waits(turns, 0.0) for _ in range(1000)} == {None}


def test_a_socket_that_closes_gives_back_what_it_holds_and_no_more() -> None:
    """Also when more ends than it had begun, as after a resumed turn."""
    turns = Turns(at_once=2)
    one, two = Share(turns), Share(turns)

    assert [waits(one, 0), waits(two, 0), waits(two, 0)] == [None, None, 1.0]
    for _ in range(3):
        one.end()
    assert [waits(one, 0), waits(one, 0)] == [None, 1.0]
    one.close()
    two.close()
    assert [waits(one, 0), waits(one, 0), waits(one, 0)] == [None, None, 1.0]


def test_an_error_frame_has_a_retry_time_only_where_there_is_one() -> None:
    """Clients that know two members see two."""
    assert json.loads(frames.encode(ErrorFrame(Error("busy", "m.")))) == {"error": {"code": "busy", "message": "m."}}
    assert json.loads(frames.encode(ErrorFrame(Error("busy", "m.", 2.5))))["error"]["retry_after"] == 2.5


@pytest.mark.parametrize("edge_settings", [EdgeSettings(api_keys=f"ana:{ANA}:2,ben:{BEN}")])
async def test_a_key_has_its_turns_a_minute_over_all_its_sockets(bus: Bus, server: Edge) -> None:
    """The third is told when to come again; another key is not touched; no engine is troubled."""
    async with answering(bus, two_sentences), ask(server, ANA) as one, ask(server, ANA) as two, ask(server, BEN) as ben:
        for client in (one, two):
            await client.send(tone(0.2))
            await receive(client)
        await one.send(tone(0.2))
        assert 25 < await busy(one) <= 30
        for _ in range(3):
            await ben.send(tone(0.2))
            await receive(ben)


@pytest.mark.parametrize("edge_settings", [EdgeSettings(api_keys=f"ana:{ANA}:600:2,ben:{BEN}")])
async def test_a_key_has_its_turns_at_once_over_all_its_sockets(bus: Bus, server: Edge) -> None:
    """A third is refused, in its place; when one is answered, fails or leaves, its place is free."""
    go = asyncio.Event()

    async def when_told(_: Utterance) -> AsyncGenerator[Event, None]:
        await go.wait()
        yield speech(0, last=True)

    async with answering(bus, when_told), ask(server, ANA) as one, ask(server, ANA) as two, ask(server, BEN) as ben:
        async with ask(server, ANA) as leaving:
            await leaving.send(tone(0.2))
            await asyncio.sleep(1)
            for expected in (one, two):
                await expected.send(tone(0.2))
            assert await busy(two) == 1.0
        await asyncio.sleep(1)
        await two.send(tone(0.2))
        await asyncio.sleep(1)
        await two.send(tone(0.2))
        await asyncio.sleep(1)
        go.set()
        for client in (one, two):
            await receive(client)
        assert await busy(two) == 1.0
        await two.send(b"no WAV")
        assert json.loads(await two.recv())["error"]["code"] == codes.NOT_WAV
        for client in (one, two, ben):
            await client.send(tone(0.2))
            await receive(client)


@pytest.mark.parametrize("edge_settings", [EdgeSettings(turns_per_minute=2)])
async def test_without_keys_an_address_has_its_turns_a_minute(bus: Bus, server: Edge) -> None:
    """New sockets do not help; the client learns the time to wait."""
    async with answering(bus, two_sentences):
        for _ in range(2):
            async with ask(server) as client:
                await client.send(tone(0.2))
                await receive(client)
        async with Client(f"ws://127.0.0.1:{server.port}/ws") as client:
            with pytest.raises(NoAnswer) as caught:
                await client.ask(tone(0.2))

    assert caught.value.code == codes.BUSY
    assert caught.value.retry_after is not None
    assert 25 < caught.value.retry_after <= 30


@pytest.mark.parametrize("edge_settings", [EdgeSettings(max_sockets_per_address=3)])
async def test_an_address_has_its_sockets(server: Edge) -> None:
    """Of many that come at once exactly so many are let in, the others get 429; who leaves makes room."""

    async def opened() -> ClientConnection | Response:
        try:
            return await ask(server)
        except InvalidStatus as error:
            return error.response

    tried = await asyncio.gather(*(opened() for _ in range(12)))
    sockets = [socket for socket in tried if isinstance(socket, ClientConnection)]
    refused = [response for response in tried if isinstance(response, Response)]

    assert (len(sockets), [response.status_code for response in refused]) == (3, [429] * 9)
    assert refused[0].headers["Retry-After"] == "5"
    assert json.loads(refused[0].body or b"")["error"]["code"] == codes.BUSY
    for socket in sockets:
        await socket.close()
    async with ask(server):
        pass


def test_addresses_are_forgotten_when_they_have_their_turns_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is bounded by who asked within a minute."""
    monkeypatch.setattr(gate, "MANY_ADDRESSES", 10)
    now = 0.0
    doors = Gate(EdgeSettings(turns_per_minute=2), lambda: now)
    for n in range(50):
        now = n * 20.0
        with doors.socket(f"10.0.0.{n}", None) as share:
            assert share.take(now) is None

    assert len(doors._of_addresses) <= 10


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_an_ipv6_network_is_one_address(one: str, other: str, same: bool) -> None:
    """Whoever has one address of 64 bits has all of them."""
    doors = Gate(EdgeSettings(max_sockets_per_address=1), lambda: 0.0)
    with doors.socket(one, None):
        assert doors.crowded(other) is same
    assert not doors.crowded(one)


@pytest.mark.parametrize(
    ("page", "host", "settings", "let_in"),
    [
        ("", "127.0.0.1:8000", EdgeSettings(), True),
        (HERE, "127.0.0.1:8000", EdgeSettings(), True),
        ("http://localhost:8000", "localhost:8000", EdgeSettings(), True),
        ("http://[::1]:8000", "[::1]:8000", EdgeSettings(), True),
        ("https://evil.example", "127.0.0.1:8000", EdgeSettings(), False),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", EdgeSettings(), False),
        ("null", "127.0.0.1:8000", EdgeSettings(), False),
        ("http://evil.example:8000", "evil.example:8000", EdgeSettings(), False),
        ("http://evil.example:8000", "evil.example:8000", EdgeSettings(allowed_origins="*"), True),
        ("https://voice.example", "voice.example", EdgeSettings(host="0.0.0.0"), True),
        ("https://voice.example", "voice.example", EdgeSettings(api_keys=f"ana:{ANA}"), True),
        ("https://voice.example", "voice.example:443", EdgeSettings(host="0.0.0.0"), True),
        ("http://voice.example", "voice.example:443", EdgeSettings(host="0.0.0.0"), False),
        ("https://app.example", "voice.example", EdgeSettings(host="0.0.0.0"), False),
        (
            "https://app.example",
            "voice.example",
            EdgeSettings(allowed_origins="https://a.b, https://app.example"),
            True,
        ),
        ("https://app.example.evil", "voice.example", EdgeSettings(allowed_origins="https://app.example"), False),
        ("http://[", "[", EdgeSettings(host="0.0.0.0"), False),
        ("file://", "", EdgeSettings(host="0.0.0.0"), False),
    ],
)
def test_a_page_may_ask_the_host_it_came_from(page: str, host: str, settings: EdgeSettings, let_in: bool) -> None:
    """Or one whose operator allows it. On loopback the name must be loopback's: any name can be made to point there."""
    headers = Headers({"Host": host} | ({"Origin": page} if page else {}))
    doors = Gate(settings, lambda: 0.0)
    if let_in:
        doors.check_page(headers)
        return
    with pytest.raises(Refused) as caught:
        doors.check_page(headers)
    assert caught.value.code == codes.ORIGIN


async def test_a_page_of_another_site_is_refused_and_an_own_one_is_not(server: Edge) -> None:
    """403 in the handshake, counted."""
    with pytest.raises(InvalidStatus) as caught:
        async with ask(server, origin="https://evil.example"):
            pass
    async with ask(server, origin=f"http://127.0.0.1:{server.port}"):
        pass

    assert caught.value.response.status_code == 403
    assert json.loads(caught.value.response.body or b"")["error"]["code"] == codes.ORIGIN
