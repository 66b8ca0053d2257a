"""What the scenes do and wait for."""

import time
from itertools import pairwise
from typing import Any

ANSWER_MS = 45_000
GAP_SECONDS = 0.001


def ask(page: Any, seconds: float = 1.0) -> None:
    """Hold the button until the microphone has heard that much."""
    page.locator("#talk").hover()
    page.mouse.down()
    listen(page, seconds)
    page.mouse.up()


def listen(page: Any, seconds: float = 1.0) -> None:
    """Wait until the microphone has heard somebody, and so many seconds more."""
    until(page, "document.querySelector('#status').dataset.t === 'listening'")
    until(page, "Number(document.querySelector('#meter').ariaValueNow) > 20")
    time.sleep(seconds)


def turn(page: Any, n: int) -> Any:
    """The *n*th question and what came of it."""
    return page.locator("#conversation > li").nth(n)


def until(page: Any, expression: str) -> None:
    """Wait until a JavaScript expression is true; the page's own policy forbids Playwright to wait inside it."""
    end = time.monotonic() + ANSWER_MS / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"waited in vain for {expression}; on the page is: {page.inner_text('body')}"
        time.sleep(0.05)


def begun(page: Any, n: int) -> None:
    """Wait for the first words of a turn's answer."""
    until(page, f"document.querySelector('#conversation > li:nth-child({n + 1}) > .answer') !== null")


def whole(page: Any, n: int) -> str:
    """Wait until all of a turn has come, with its waterfall; gives the answer."""
    until(page, f"document.querySelector('#conversation > li:nth-child({n + 1}) :is(.waterfall, .trouble)') !== null")
    assert turn(page, n).locator(".trouble").count() == 0, turn(page, n).inner_text()
    assert turn(page, n).locator(".waterfall tbody tr").count() == 4
    assert "First sound" in turn(page, n).locator("summary").inner_text()
    return str(turn(page, n).locator(".answer").inner_text())


def once(answer: str) -> None:
    """Every sentence of the short reply is there once."""
    assert answer.count("You said:") == answer.count("second sentence") == answer.count("Now the last.") == 1, answer


def gaps(page: Any) -> list[float]:
    """Seconds of silence between each piece and the next one, by the clock of the sound card."""
    return [later[0] - sum(earlier) for earlier, later in pairwise(page.evaluate("window.sounds"))]
