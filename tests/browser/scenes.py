"""What people do with the page, each as a sentence that must hold."""

import json
import time
from itertools import pairwise
from typing import Any

from .browser import QUESTION, Browser

ANSWER_MS = 45_000
SENTENCES = 4
GAP_SECONDS = 0.001


def ask(page: Any, seconds: float = 1.5) -> None:
    """Hold the button that long."""
    page.locator("#talk").hover()
    page.mouse.down()
    time.sleep(seconds)
    page.mouse.up()


def turn(page: Any, n: int) -> Any:
    """The *n*th question and what came of it."""
    return page.locator("#conversation > li").nth(n)


def until(page: Any, expression: str) -> None:
    """Wait until a JavaScript expression is true; the page's own policy forbids Playwright to wait inside it."""
    end = time.monotonic() + ANSWER_MS / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"waited in vain for {expression}"
        time.sleep(0.05)


def whole(page: Any, n: int) -> None:
    """Wait for the end of a turn: every sentence once, in order, and its waterfall."""
    turn(page, n).locator(".waterfall, .trouble").wait_for(timeout=ANSWER_MS)
    answer = turn(page, n).locator(".answer").inner_text()
    assert answer.count("You said:") == answer.count("second sentence") == answer.count("Now the last.") == 1, answer
    assert turn(page, n).locator(".waterfall tbody tr").count() == 4


def a_held_button_is_answered_in_words_and_sound(browser: Browser) -> None:
    """The level moves meanwhile; the sounds follow one another without a gap."""
    with browser.page() as page:
        page.locator("#talk").hover()
        page.mouse.down()
        until(page, "Number(document.querySelector('#meter').ariaValueNow) > 20")
        time.sleep(1)
        page.mouse.up()
        whole(page, 0)
        sounds = page.evaluate("window.sounds")
        assert len(sounds) >= SENTENCES
        gaps = [later[0] - sum(earlier) for earlier, later in pairwise(sounds)]
        assert max(gaps) < GAP_SECONDS, gaps


def talking_again_interrupts_and_tells_what_was_heard(browser: Browser) -> None:
    """With the space bar, after one sentence was played to its end and while the next one plays."""
    with browser.page() as page:
        sent: list[str] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
        page.reload()
        ask(page)
        until(page, "window.sounds.length > 2")
        time.sleep(sum(page.evaluate("window.sounds.slice(0, 2).map(([, seconds]) => seconds)")) + 0.3)
        page.locator("h1").click()
        page.keyboard.down("Space")
        time.sleep(1.5)
        page.keyboard.up("Space")
        whole(page, 1)
        cancels = [json.loads(frame) for frame in sent if isinstance(frame, str)]
        assert [frame["cancel"] for frame in cancels] == [True]
        assert 1 <= cancels[0]["sentences"] < SENTENCES, cancels


def a_wrong_file_gets_a_sentence(browser: Browser) -> None:
    """The next one is answered."""
    with browser.page() as page:
        page.locator("#file").set_input_files(__file__)
        turn(page, 0).locator(".trouble").wait_for(timeout=ANSWER_MS)
        assert "Choose a WAV file" in turn(page, 0).inner_text()
        page.locator("#file").set_input_files(str(QUESTION))
        whole(page, 1)


def a_killed_broker_loses_no_answer(browser: Browser) -> None:
    """SIGKILL right after the question."""
    with browser.page() as page:
        ask(page)
        time.sleep(0.3)
        browser.kill("nats-server")
        whole(page, 0)
        ask(page)
        whole(page, 1)


def a_killed_edge_loses_no_answer(browser: Browser) -> None:
    """SIGKILL in the middle of the answer; the page says so, comes back, and tells no sentence twice."""
    with browser.page() as page:
        ask(page)
        turn(page, 0).locator(".answer").wait_for(timeout=ANSWER_MS)
        browser.kill("services.edge")
        until(page, "document.querySelector('#status').dataset.t === 'lost'")
        whole(page, 0)
        assert page.locator("#status").inner_text() == "The link is back."


def phone_and_desktop_light_and_dark_are_accessible(browser: Browser) -> None:
    """axe finds nothing, nothing sticks out, and each is kept as a picture."""
    for width, height in ((360, 740), (1280, 800)):
        for scheme in ("light", "dark"):
            locale = "pt-BR" if width == 360 else "en-US"
            with browser.page(width, height, scheme, locale) as page:
                assert browser.violations(page) == []
                page.locator("#file").set_input_files(str(QUESTION))
                whole(page, 0)
                page.screenshot(path=browser.screenshots / f"{width}-{scheme}.png")
                page.locator("#settings summary").click()
                assert browser.violations(page) == []
                assert page.evaluate("document.documentElement.scrollWidth") == width
