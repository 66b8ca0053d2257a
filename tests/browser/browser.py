"""A Chromium whose microphone plays a recording, and the page in it."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from msgspec import Struct
from playwright.sync_api import sync_playwright

QUESTION = Path(__file__).resolve().parents[2] / "audios" / "question.wav"
ROOTS = ("--no-sandbox",) if os.geteuid() == 0 else ()  # Chromium has no sandbox for root
ALLOWED = "--use-fake-ui-for-media-stream"
DEVICE = "--use-fake-device-for-media-stream"
SPEECH = f"--use-file-for-fake-audio-capture={QUESTION}"
USUAL: Mapping[str, object] = {
    "permissions": ["microphone"],
    "viewport": {"width": 1280, "height": 800},
    "color_scheme": "light",
    "locale": "en-US",
}
WATCHED = Path(__file__).with_name("watched.js").read_text("utf-8")


class Browser(Struct, frozen=True):
    """What the scenes work with."""

    playwright: Any
    program: str
    chromium: Any
    address: str
    screenshots: Path
    data: Path
    """The folder of `voicebus up`, by which its processes are known."""

    @contextmanager
    def page(self, wishes: Mapping[str, object] = USUAL, address: str = "") -> Iterator[Any]:
        """The page, in a profile of its own with what is wished of it; fails when a script of it did."""
        with self.profile(self.chromium, wishes) as context, self.tab(context, address) as page:
            yield page

    @contextmanager
    def tab(self, context: Any, address: str = "") -> Iterator[Any]:
        """The page in a profile that is there."""
        broken: list[str] = []
        page = context.new_page()
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.on("console", lambda said: broken.append(said.text) if "Content Security Policy" in said.text else None)
        page.add_init_script(WATCHED)
        page.goto(address or self.address)
        yield page
        assert broken == []

    @contextmanager
    def profile(self, chromium: Any, wishes: Mapping[str, object]) -> Iterator[Any]:
        """A browser that knows nothing yet."""
        context = chromium.new_context(**{**USUAL, **wishes})
        yield context
        context.close()

    @contextmanager
    def without(self, *switches: str, permissions: tuple[str, ...] = ()) -> Iterator[Any]:
        """The page in another Chromium that has only these *switches*."""
        other = self.playwright.chromium.launch(executable_path=self.program, args=[*ROOTS, *switches])
        with self.profile(other, {"permissions": list(permissions)}) as context, self.tab(context) as page:
            yield page
        other.close()

    def check(self, page: Any) -> None:
        """axe finds nothing wrong."""
        page.context.new_cdp_session(page).send("Runtime.evaluate", {"expression": axe()})
        found = page.evaluate("axe.run()")["violations"]
        wrong = [f"{rule['id']} at {node['html']}" for rule in found for node in rule["nodes"]]
        assert wrong == [], wrong

    def stop(self, words: str, how: signal.Signals = signal.SIGKILL) -> None:
        """End the process of this pipeline that has *words* in its command line."""
        mine = f"VOICEBUS_DATA={self.data}".encode()
        ended = 0
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if words.encode() in (process / "cmdline").read_bytes() and mine in (process / "environ").read_bytes():
                    os.kill(int(process.name), how)
                    ended += 1
            except OSError:
                continue  # it ended meanwhile, or is another user's
        assert ended == 1, f"{ended} processes of this pipeline are {words}"


@cache
def axe() -> str:
    """The rules of accessibility, as a script."""
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


@contextmanager
def opened(address: str, program: str, screenshots: Path, data: Path) -> Iterator[Browser]:
    """A Chromium that is closed at the end."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=[*ROOTS, ALLOWED, DEVICE, SPEECH])
        yield Browser(playwright, program, launched, address, screenshots, data)
        launched.close()
