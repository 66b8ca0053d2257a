"""The page at `/`: its files and their headers, nothing else of the disk, and `/ws` beside it as it was."""

import asyncio
import http.client
import re
from collections.abc import AsyncIterator, Mapping

import pytest
from msgspec import Struct
from websockets.asyncio.client import connect

from services.edge import page_files
from services.edge.server import Edge
from services.edge.settings import EdgeSettings
from services.runtime.bus import Bus, BusSettings
from tests.edge.asking import answering, edge, receive, tone, two_sentences

TEXTS = {path.name: path.read_text("utf-8") for path in page_files.FOLDER.iterdir()}
TONGUES = ("words.en.js", "words.pt.js")


@pytest.fixture
def edge_settings() -> EdgeSettings:
    """Those of this test's edge; override it in a test's parameters for others."""
    return EdgeSettings()


@pytest.fixture
async def server(bus: Bus, bus_settings: BusSettings, edge_settings: EdgeSettings) -> AsyncIterator[Edge]:
    """An edge that listens."""
    async with edge(bus_settings, edge_settings) as (running, _):
        yield running


class Page(Struct, frozen=True):
    """What a browser gets."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def fetch(server: Edge, path: str, method: str = "GET", **headers: str) -> Page:
    """Ask for *path* exactly as it is written."""

    def ask() -> Page:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return Page(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    return await asyncio.to_thread(ask)


async def test_every_file_that_the_page_names_is_served_with_its_type(server: Edge) -> None:
    """From `/`, through what each file names, to every file of the folder."""
    found: dict[str, str] = {}
    wanted = {"/"}
    while wanted - set(found):
        path = min(wanted - set(found))
        page = await fetch(server, path)
        assert page.status == 200, path
        found[path] = page.headers["Content-Type"]
        named = re.findall(r'"(?:\./)?([\w.-]+\.(?:js|css|svg))"', page.body.decode())
        wanted |= {f"/{name}" for name in named}

    assert set(found) == {f"/{name}" for name in TEXTS} - {"/index.html"} | {"/"}
    assert found["/main.js"] == "text/javascript; charset=utf-8"
    assert found["/"] == "text/html; charset=utf-8"


async def test_nothing_but_the_pages_own_files_may_run_or_frame_it(server: Edge) -> None:
    """The headers of every file; the page itself has no script and no style inside it."""
    for path in ("/", "/main.js", "/style.css"):
        headers = (await fetch(server, path)).headers
        policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
        assert {policy[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Permissions-Policy"].startswith("microphone=(self)")
    html = (await fetch(server, "/")).body.decode()
    assert re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)|https?://", html) is None


async def test_head_and_a_copy_that_is_still_good_have_no_body(server: Edge) -> None:
    """HEAD tells the length all the same; another method is told which there are."""
    page = await fetch(server, "/")
    head = await fetch(server, "/", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(page.body))
    again = await fetch(server, "/", If_None_Match=page.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    other = await fetch(server, "/", "DELETE")
    assert (other.status, other.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    ["/../server.py", "/%2e%2e/server.py", "/..%2fserver.py", "//etc/passwd", "/page_files.py", "/page/main.js", "/ma"],
)
async def test_nothing_else_of_the_disk_is_served(server: Edge, path: str) -> None:
    """404, with the sentence that any wrong address gets."""
    page = await fetch(server, path)
    assert page.status == 404
    assert b'"refused.unknown_path"' in page.body
    assert (await fetch(server, path, "HEAD")).body == b""


@pytest.mark.parametrize("edge_settings", [EdgeSettings(api_keys="shop:0123456789abcdef")])
async def test_the_page_opens_without_a_key_and_is_told_why_it_gets_no_socket(server: Edge) -> None:
    """A browser does not tell a page why its socket failed, so the page asks `/ws` once as a plain address."""
    assert (await fetch(server, "/")).status == 200
    refused = await fetch(server, "/ws?stream=1")
    assert (refused.status, b'"refused.unauthorized"' in refused.body) == (401, True)
    welcome = await fetch(server, "/ws?stream=1", Authorization="Bearer 0123456789abcdef")
    assert welcome.status == 426


async def test_the_websocket_beside_it_is_as_it_was(bus: Bus, server: Edge) -> None:
    """A page was fetched, then a WAV is answered with two keys and one binary frame."""
    await fetch(server, "/")
    async with answering(bus, two_sentences), connect(f"ws://127.0.0.1:{server.port}/ws") as client:
        await client.send(tone(1))
        assert (await receive(client)).text == {"transcription": "1 s", "llama": "The reply."}


def test_both_languages_say_everything() -> None:
    """English and Portuguese have the same words, and what the page asks for is one of them."""
    words = {name: set(re.findall(r'^  "?([^":]+)"?: "', TEXTS[name], re.MULTILINE)) for name in TONGUES}
    assert words["words.en.js"] == words["words.pt.js"]
    asked = set(re.findall(r'data-(?:t|label|hint)="(\w+)"', TEXTS["index.html"]))
    written = re.compile(r'(?:\btell\(|write\((?:[\w.]+|element\([^)]*\)), )"(\w+)"')
    asked |= {word for text in TEXTS.values() for word in written.findall(text)}
    assert len(asked) > 20
    assert asked <= words["words.en.js"]
