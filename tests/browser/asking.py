"""Scenes of keys, keyboards, fingers, long answers and microphones that are not there."""

import json
from typing import Any

from .browser import DEVICE, Browser
from .doing import ANSWER_MS, GAP_SECONDS, ask, begun, gaps, listen, turn, until, whole

KEY = "a-good-key-of-the-browser-test"
LONG_SECONDS = 30


def a_key_is_asked_for_and_stays_in_its_tab(browser: Browser) -> None:
    """What cannot be one and what nobody knows are told apart; the right one works at once and after a reload."""
    with browser.page() as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        for wrong, sentence in (("short", "A key has 16 to 256"), ("nobody-knows-this-key", "a key that it knows")):
            until(page, "document.querySelector('#settings').open")
            page.locator("#key").fill(wrong)
            page.locator("#key").press("Enter")
            until(page, f"document.querySelector('#problem').innerText.includes('{sentence}')")
        enter(page)
        page.reload()
        ask(page)
        begun(page, 0)
        assert page.locator("#settings").get_attribute("open") is None
        assert not [url for url in asked if KEY in url]
        with browser.tab(page.context) as other:
            until(other, "document.querySelector('#settings').open")


def what_can_be_asked_for_is_what_the_service_says(browser: Browser) -> None:
    """Its voices and languages are listed; a voice that it does not have is told before anybody speaks."""
    with browser.page() as page:
        enter(page)
        until(page, "document.querySelectorAll('#language option').length > 1")
        first = page.locator("#language option").first
        assert (first.get_attribute("value"), first.inner_text()) == ("", "detect automatically")
        voices = page.evaluate("[...document.querySelectorAll('#voices option')].map((option) => option.value)")
        assert voices == ["man", "woman"]
        page.locator("#open-settings").click()
        page.locator("#voice").fill("womann")
        page.locator("#done").click()
        until(page, "document.querySelector('#problem').innerText.includes('no such voice')")
        page.locator("#voice").fill("woman")
        page.locator("#done").click()
        ask(page)
        begun(page, 0)


def enter(page: Any) -> None:
    """Give the right key."""
    until(page, "document.querySelector('#settings').open")
    page.locator("#key").fill(KEY)
    page.locator("#done").click()
    until(page, "!document.querySelector('#settings').open")


def a_long_reply_is_whole_and_a_keyboard_is_enough(browser: Browser) -> None:
    """Half a minute without a gap; Tab leads to the button, Space is held on it, Escape ends the sound at once."""
    with browser.page() as page:
        sent: list[str] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
        enter(page)
        page.locator("h1").click()
        reached = []
        for _ in range(7):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.id"))
        assert reached[:6] == ["tongue", "log", "talk", "file", "again", "open-settings"]
        page.locator("#talk").focus()
        page.keyboard.down("Space")
        listen(page)
        page.keyboard.up("Space")
        whole(page, 0)
        assert sum(sum(sound) - sound[0] for sound in page.evaluate("window.sounds")) > LONG_SECONDS
        assert max(gaps(page)) < GAP_SECONDS, gaps(page)
        assert page.evaluate("window.notes.at(-1)") == "speaking"
        assert page.evaluate("document.activeElement.id") == "talk"
        page.keyboard.press("Escape")
        until(page, "window.stopped > 0 && document.querySelector('.note').dataset.t === 'interrupted'")
        assert page.locator("#stop").is_hidden()
        until(page, "true")
        assert [json.loads(frame)["cancel"] for frame in sent if isinstance(frame, str)] == [True]


def a_finger_is_enough_and_still_is_still(browser: Browser) -> None:
    """Held with a finger, ended with Stop; who wants less motion has each sentence at once."""
    size = {"width": 360, "height": 740}
    wishes = {"viewport": size, "has_touch": True, "is_mobile": True, "reduced_motion": "reduce"}
    with browser.page(wishes) as page:
        enter(page)
        where = page.locator("#talk").bounding_box()
        touch = page.context.new_cdp_session(page)
        point = {"x": where["x"] + 30, "y": where["y"] + 30}
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
        listen(page)
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        begun(page, 0)
        until(page, "document.querySelectorAll('.sentence:first-child > .unsaid').length === 0")
        page.locator("#stop").tap()
        until(page, "document.querySelector('.note').dataset.t === 'interrupted'")
        page.locator("#again").tap()
        assert page.locator("#empty").is_visible()
        assert turn(page, 0).count() == 0


def a_microphone_that_is_refused_or_missing_is_told(browser: Browser) -> None:
    """Each with what to do."""
    for switches, permissions, sentence in (
        ((DEVICE,), (), "Allow it in the browser"),
        ((), ("microphone",), "Connect one, or send a WAV file"),
    ):
        with browser.without(*switches, permissions=permissions) as page:
            enter(page)
            page.locator("#talk").hover()
            page.mouse.down()
            page.locator("#status.trouble").wait_for(timeout=ANSWER_MS)
            assert sentence in page.locator("#status").inner_text()
