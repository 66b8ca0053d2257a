"""The browser client of docs/clients, served from a place of its own, asks the edge of another."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.harness import free_port

from .browser import QUESTION, WATCHED, Browser

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "clients" / "javascript"
PORT = free_port()
ORIGIN = f"http://127.0.0.1:{PORT}"
"""The edge has to allow it: ALLOWED_ORIGINS."""
ANSWER_MS = 45_000


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: the result of the scenes is what is printed."""


@contextmanager
def served() -> Iterator[None]:
    """The clients' folder at ORIGIN."""
    with ThreadingHTTPServer(("127.0.0.1", PORT), partial(_Quiet, directory=FOLDER)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def client(browser: Browser) -> Iterator[Any]:
    """The client's page, with the shipped question chosen; fails when a script of it did."""
    broken: list[str] = []
    with served():
        page = browser.chromium.new_page()
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.add_init_script(WATCHED)
        page.goto(f"{ORIGIN}/page.html")
        page.fill("#url", browser.address.replace("http://", "ws://") + "ws")
        page.set_input_files("#file", QUESTION)
        yield page
        page.close()
    assert broken == []


def the_client_of_the_docs_asks_from_another_site_and_plays(browser: Browser) -> None:
    """Words and sound, one piece after the other; asked again, the first answer ends."""
    with client(browser) as page:
        page.click("#ask")
        page.wait_for_function(
            "document.querySelector('#answer').textContent.includes('Now the last.')", timeout=ANSWER_MS
        )
        page.wait_for_function("window.sounds.length >= 4", timeout=ANSWER_MS)
        starts = [at for at, _ in page.evaluate("window.sounds")]
        assert starts == sorted(starts)
        page.click("#ask")
        page.wait_for_function("!document.querySelector('#answer').textContent.includes('Now the last.')")
        page.wait_for_function("document.querySelector('#answer').textContent.includes('You said:')", timeout=ANSWER_MS)
        page.click("#stop")
        assert page.inner_text("#trouble") == ""
