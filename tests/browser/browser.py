"""A Chromium whose microphone plays a recording, and the page in it."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from msgspec import Struct
from playwright.sync_api import sync_playwright

QUESTION = Path(__file__).resolve().parents[2] / "audios" / "question.wav"
SWITCHES = (
    *(("--no-sandbox",) if os.geteuid() == 0 else ()),  # Chromium has no sandbox for root
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    f"--use-file-for-fake-audio-capture={QUESTION}",
    "--autoplay-policy=no-user-gesture-required",
)
LOG_SOUNDS = """
window.sounds = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (at) {
  if (this.context instanceof AudioContext) window.sounds.push([at, this.buffer.duration]);
  return start.call(this, at);
};
"""
"""When each piece is played, and for how many seconds."""


class Browser(Struct, frozen=True):
    """What the scenes work with."""

    chromium: Any
    address: str
    screenshots: Path
    data: Path
    """The folder of `voicebus up`, by which its processes are known."""

    @contextmanager
    def page(self, width: int = 1280, height: int = 800, scheme: str = "light", locale: str = "en-US") -> Iterator[Any]:
        """The page, in a profile of its own; fails when a script of it did."""
        context = self.chromium.new_context(
            permissions=["microphone"],
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            locale=locale,
        )
        broken: list[str] = []
        page = context.new_page()
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.add_init_script(LOG_SOUNDS)
        page.goto(self.address)
        yield page
        context.close()
        assert broken == []

    def violations(self, page: Any) -> list[str]:
        """What axe finds wrong."""
        page.context.new_cdp_session(page).send("Runtime.evaluate", {"expression": axe()})
        found = page.evaluate("axe.run()")["violations"]
        return [f"{rule['id']} at {node['target']}" for rule in found for node in rule["nodes"]]

    def kill(self, words: str) -> None:
        """SIGKILL for the process of this pipeline that has *words* in its command line."""
        mine = f"VOICEBUS_DATA={self.data}".encode()
        killed = 0
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if words.encode() in (process / "cmdline").read_bytes() and mine in (process / "environ").read_bytes():
                    os.kill(int(process.name), signal.SIGKILL)
                    killed += 1
            except OSError:
                continue  # it ended meanwhile, or is another user's
        assert killed == 1, f"{killed} processes of this pipeline are {words}"


@cache
def axe() -> str:
    """The rules of accessibility, as a script."""
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


@contextmanager
def opened(address: str, chromium: str, screenshots: Path, data: Path) -> Iterator[Browser]:
    """A Chromium that is closed at the end."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=list(SWITCHES))
        yield Browser(launched, address, screenshots, data)
        launched.close()
