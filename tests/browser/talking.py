"""Scenes of people who talk, interrupt, drop files and sit behind a slow link."""

import base64
import json
import time
from typing import Any
from urllib.parse import urlsplit

from .browser import QUESTION, Browser
from .doing import GAP_SECONDS, ask, begun, gaps, listen, once, turn, until, whole
from .slow_link import slow

SENTENCES = 4
AGAIN = "New conversation"
SLOW_BITS, SLOW_DELAY = 400_000, 0.1
"""400 kbit/s; an answer to a packet comes 200 ms later."""
MOST_PAUSES = 2.0
"""Seconds: the scripted voice needs 384 kbit/s, so that the link cannot carry it ahead of time."""


def a_held_button_is_answered_in_words_and_sound(browser: Browser) -> None:
    """The level moves meanwhile; the sounds follow one another without a gap, and each word appears as it is said."""
    with browser.page() as page:
        page.locator("#talk").hover()
        page.mouse.down()
        listen(page)
        assert page.locator("#talk").get_attribute("aria-pressed") == "true"
        page.mouse.up()
        once(whole(page, 0))
        sounds = page.evaluate("window.sounds")
        assert len(sounds) >= SENTENCES
        assert max(gaps(page)) < GAP_SECONDS, gaps(page)
        until(page, "document.querySelector('.note') === null")
        assert page.locator(".unsaid").count() == 0
        words_keep_time(page.evaluate("window.shown"), sounds)


def words_keep_time(shown: list[dict[str, float]], sounds: list[list[float]]) -> None:
    """They come one after the other from the first sound to the last; at half time about half of them are there."""
    begin, end = sounds[0][0], sum(sounds[-1])
    assert len({moment["said"] for moment in shown}) > shown[-1]["whole"] / 2
    half = [moment["said"] for moment in shown if moment["at"] < (begin + end) / 2][-1] / shown[-1]["whole"]
    assert 0.3 < half < 0.7, half
    assert shown[-1]["at"] < end + 0.5


def talking_again_interrupts_and_tells_what_was_heard(browser: Browser) -> None:
    """With the space bar, after one sentence was played to its end and while the next one plays."""
    with browser.page() as page:
        sent: list[str] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda data: sent.append(data)))
        page.reload()
        ask(page)
        page.locator("h1").click()
        until(page, "window.sounds.length > 2 && window.soundCard.currentTime > window.sounds[2][0] + 0.1")
        page.keyboard.down("Space")
        listen(page)
        cut = turn(page, 0).locator(".answer").inner_text()
        assert cut.endswith("…")
        assert "Now the last." not in cut
        page.keyboard.up("Space")
        once(whole(page, 1))
        cancels = [json.loads(frame) for frame in sent if isinstance(frame, str)]
        assert [frame["cancel"] for frame in cancels] == [True]
        assert 1 <= cancels[0]["sentences"] < SENTENCES, cancels


DROP = """
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([Uint8Array.from(atob("{content}"), (letter) => letter.charCodeAt(0))], "{name}"));
  document.body.dispatchEvent(new DragEvent("drop", {{ dataTransfer, bubbles: true, cancelable: true }}));
"""


def drop(page: Any, name: str, content: bytes) -> None:
    """Drop a file on the page. Playwright's own `evaluate` would count as a touch, which lets a page make sounds."""
    script = DROP.format(name=name, content=base64.b64encode(content).decode())
    page.context.new_cdp_session(page).send("Runtime.evaluate", {"expression": f"{{{script}}}"})


def a_dropped_file_of_a_wrong_kind_gets_a_sentence(browser: Browser) -> None:
    """What is no WAV, a WAV with a codec; the right one is answered."""
    right = QUESTION.read_bytes()
    with browser.page() as page:
        browser.check(page)
        drop(page, "song.mp3", b"ID3" + bytes(2000))
        turn(page, 0).locator(".trouble").wait_for()
        assert "Choose a WAV file" in turn(page, 0).inner_text()
        drop(page, "call.wav", right[:20] + b"\x02\x00" + right[22:])
        turn(page, 1).locator(".trouble").wait_for()
        assert "Save it as PCM" in turn(page, 1).inner_text()
        drop(page, "question.wav", right)
        once(whole(page, 2))


def an_answer_that_may_not_sound_yet_says_so(browser: Browser) -> None:
    """A browser is silent until somebody touches the page; then the answer is heard from its beginning."""
    with browser.page() as page:
        drop(page, "question.wav", QUESTION.read_bytes())
        time.sleep(3)
        page.mouse.click(5, 5)
        until(page, "window.notes.at(-1) === 'speaking' && window.soundCard.state === 'running'")
        assert page.evaluate("window.notes.at(-2)") == "asleep"
        once(whole(page, 0))


def a_slow_link_is_talked_over(browser: Browser) -> None:
    """The page says what it waits for, loses nothing, calls nothing an error, and pauses little."""
    with (
        slow(urlsplit(browser.address).port or 0, SLOW_BITS, SLOW_DELAY) as port,
        browser.page(address=f"http://127.0.0.1:{port}/") as page,
    ):
        ask(page, 2.5)
        once(whole(page, 0))
        until(page, "document.querySelector('.note') === null")
        notes = page.evaluate("window.notes")
        told = ("sending", "sent", "thinking", "coming", "speaking")
        assert tuple(dict.fromkeys(word for word in notes if word in told)) == told, notes
        assert not {"lost", "away", "back"} & set(notes), notes
        assert sum(gaps(page)) < MOST_PAUSES, gaps(page)


def phone_and_desktop_light_and_dark_are_accessible(browser: Browser) -> None:
    """axe finds nothing, nothing sticks out, and each is kept as a picture; a phone of Brazil reads Portuguese."""
    for width, height in ((360, 740), (1280, 800)):
        for scheme in ("light", "dark"):
            locale = "pt-BR" if scheme == "dark" else "en-US"
            size = {"width": width, "height": height}
            still = "reduce"  # a word that fades in is pale for a moment
            wishes = {"viewport": size, "color_scheme": scheme, "locale": locale, "reduced_motion": still}
            with browser.page(wishes) as page:
                page.locator("h1").click()
                page.locator("#file").set_input_files(str(QUESTION))
                begun(page, 0)
                turn(page, 0).locator(".waterfall").wait_for()
                browser.check(page)
                page.screenshot(path=browser.screenshots / f"{width}-{scheme}.png")
                assert page.locator("#again").inner_text() == (
                    "Nova conversa" if scheme == "dark" else "New conversation"
                )
                assert page.evaluate("document.documentElement.scrollWidth") == width
                page.locator("#open-settings").click()
                browser.check(page)
