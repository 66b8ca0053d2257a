"""What the deployment speaks and hears is learned from its workers, listed at `/about`, and told at the door."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from bus_schemas import codes
from services.cli.client import Client, NoAnswer
from services.edge.repertoire import KEEP_SECONDS, MOST_OFFERS, About, Repertoire
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.edge.turn import Wishes
from services.runtime import offers
from services.runtime.bus import Bus, BusSettings
from services.runtime.errors import Refused
from services.runtime.offers import Offer
from services.stt.__main__ import open_stage as open_stt
from services.stt.settings import SttSettings
from services.tts.__main__ import open_stage as open_tts
from services.tts.settings import TtsSettings
from tests.edge.asking import edge
from tests.edge.test_page import Page, fetch
from tests.edge.test_server import ask
from tests.harness import wait_until
from tests.runtime.workers import working

MAN, WOMAN = Offer(("man",), ("en", "pt")), Offer(("man", "woman"), ("en",))
PAGE = "https://app.example"


@pytest.fixture
def edge_settings() -> EdgeSettings:
    """Those of this test's edge; override it in a test's parameters for others."""
    return EdgeSettings()


@pytest.fixture
async def server(bus: Bus, bus_settings: BusSettings, edge_settings: EdgeSettings) -> AsyncIterator[Edge]:
    """An edge that listens."""
    async with edge(bus_settings, edge_settings) as (running, _):
        yield running


@asynccontextmanager
async def deployment(bus: Bus, server: Edge) -> AsyncIterator[None]:
    """The real stages that hear and that speak, Whisper and Piper in place of nothing."""
    async with AsyncExitStack() as running:
        for opening in (
            open_stt(SttSettings(stt_engine="scripted"), bus),
            open_tts(TtsSettings(tts_engine="embedded"), bus),
        ):
            await running.enter_async_context(working(bus, await running.enter_async_context(opening)))
        await wait_until(
            lambda: None not in (server.repertoire.about.voices, server.repertoire.about.languages), "told"
        )
        yield


async def at_the_door(server: Edge, query: str) -> tuple[int, dict[str, str]]:
    """How a handshake is refused."""
    with pytest.raises(InvalidStatus) as caught:
        async with connect(f"ws://127.0.0.1:{server.port}/ws?{query}"):
            pass
    error: dict[str, str] = json.loads(bytes(caught.value.response.body or b""))["error"]
    return caught.value.response.status_code, error


async def test_until_a_worker_said_what_it_has_nobody_is_refused(server: Edge) -> None:
    """A question may come before the models are loaded."""
    page = await fetch(server, "/about")

    assert (page.status, json.loads(page.body)) == (200, {"voices": None, "languages": None})
    async with ask(server, "?voice=somebody&language=tlh"):
        pass


async def test_what_the_stages_have_is_listed_and_the_rest_is_told_at_the_door(bus: Bus, server: Edge) -> None:
    """With what there is, and with what was likely meant."""
    async with deployment(bus, server):
        about = json.loads((await fetch(server, "/about")).body)
        assert about == {"voices": ["man", "woman"], "languages": ["en", "pt"]}
        for query, code, words in (
            ("voice=womann", codes.VOICE, "no voice 'womann' here; there are: man, woman. Did you mean woman?"),
            ("voice=MAN", codes.VOICE, "Did you mean man?"),
            ("voice=zz", codes.VOICE, "there are: man, woman."),
            ("language=ja", codes.LANGUAGE, "not both heard and spoken here; there are: en, pt."),
            ("language=eng&voice=man", codes.LANGUAGE, "Did you mean en?"),
        ):
            status, error = await at_the_door(server, query)
            assert (status, error["code"]) == (400, code)
            assert error["message"].endswith(words)
        async with ask(server, "?voice=woman&language=pt-BR"):
            pass


async def test_the_command_line_says_the_sentence_of_the_door(bus: Bus, server: Edge) -> None:
    """`voicebus say` and `talk` open their socket so."""
    await tell(bus, server, "tts", MAN)
    with pytest.raises(NoAnswer, match="there are: man") as caught:
        async with Client(f"ws://127.0.0.1:{server.port}/ws", voice="mann"):
            pass
    assert caught.value.code == codes.VOICE


async def test_all_workers_together_are_what_there_is(bus: Bus, server: Edge) -> None:
    """Voices and languages of each; what is heard and not spoken is no choice."""
    await tell(bus, server, "tts", MAN)
    await tell(bus, server, "tts", WOMAN)
    await tell(bus, server, "stt", Offer(languages=("en", "ja")))

    assert json.loads((await fetch(server, "/about")).body) == {"voices": ["man", "woman"], "languages": ["en"]}


async def test_what_is_no_offer_is_dropped(bus: Bus, server: Edge) -> None:
    """The edge goes on listening."""
    for junk in (b"", b"{", b"[]", b'{"voices":3}', b"\xff", b'{"voices":[""]}'):
        await bus.client.publish(f"{offers.ROOT}.tts", junk)
    await tell(bus, server, "tts", MAN)

    assert server.repertoire.about.voices == ("man",)


async def tell(bus: Bus, server: Edge, stage: str, offer: Offer) -> None:
    """A worker of *stage* says what it has, until the edge has heard it."""
    before = len(server.repertoire.told)
    async with offers.told(bus.client, stage, offer):
        await wait_until(lambda: len(server.repertoire.told) > before, "the edge has heard it")


def test_a_worker_that_is_restarted_is_neither_forgotten_nor_believed_for_ever() -> None:
    """For minutes what it had stands; a model that loads for longer is unknown again, and nobody is refused."""
    now = 0.0
    known = Repertoire(lambda: now)
    known.take("tts", MAN)
    now = KEEP_SECONDS - 1
    assert known.about == About(("man",), ("en", "pt"))
    known.take("tts", WOMAN)
    now += 2
    assert known.about == About(("man", "woman"), ("en",))
    now += KEEP_SECONDS
    assert known.about == About(None, None)


def test_one_worker_that_rules_nothing_out_lets_everybody_in() -> None:
    """The scripted speaker speaks every language."""
    known = Repertoire(lambda: 0.0)
    known.take("tts", MAN)
    known.take("tts", Offer(("man",)))
    known.take("stt", Offer(languages=("en", "ja")))

    assert known.about == About(("man",), ("en", "ja"))


def test_offers_without_end_cost_no_memory_without_end() -> None:
    """The oldest are forgotten."""
    known = Repertoire(lambda: 0.0)
    for n in range(10 * MOST_OFFERS):
        known.take("tts", Offer((f"v{n}",)))

    assert len(known.told) == MOST_OFFERS
    assert known.about.voices is not None
    assert f"v{10 * MOST_OFFERS - 1}" in known.about.voices


@pytest.mark.parametrize("name", ["Man", "man ", "womam"])
def test_a_refusal_names_what_was_likely_meant(name: str) -> None:
    known = Repertoire(lambda: 0.0)
    known.take("tts", WOMAN)
    with pytest.raises(Refused, match=r"Did you mean (man|woman)\?"):
        known.check(Wishes("web", "s", voice=name))


@pytest.mark.parametrize("edge_settings", [EdgeSettings(allowed_origins=PAGE, api_keys="shop:0123456789abcdef")])
async def test_pages_that_may_ask_may_read_what_there_is_without_a_key(server: Edge) -> None:
    """A choice is shown before a key is; another site's page gets no leave to read it."""
    here, allowed, other = [
        await fetch(server, "/about", **({"Origin": origin} if origin else {}))
        for origin in ("", PAGE, "https://evil.example")
    ]
    assert {page.status for page in (here, allowed, other)} == {200}
    assert [may_read(page) for page in (here, allowed, other)] == ["", PAGE, ""]


def may_read(page: Page) -> str:
    return page.headers.get("Access-Control-Allow-Origin", "")


async def test_only_reading_is_allowed(server: Edge) -> None:
    """HEAD has no body."""
    head = await fetch(server, "/about?x", "HEAD")

    assert (head.status, head.body) == (200, b"")
