"""Scenes in which a part of the service dies, or is restarted, under a turn."""

import signal

from .browser import Browser
from .doing import ask, begun, once, turn, until, whole


def a_broker_that_ends_under_a_turn_loses_no_answer(browser: Browser) -> None:
    """Killed, then stopped gently, each right after a question; the page has nothing to complain about."""
    with browser.page() as page:
        for n, how in enumerate((signal.SIGKILL, signal.SIGTERM)):
            ask(page)
            until(page, f"document.querySelectorAll('#conversation > li').length === {n + 1}")
            browser.stop("nats-server", how)
            once(whole(page, n))
        ask(page)
        once(whole(page, 2))


def an_edge_that_dies_in_the_middle_of_an_answer_loses_none_of_it(browser: Browser) -> None:
    """SIGKILL; the page says so, comes back, and tells no sentence twice."""
    with browser.page() as page:
        ask(page)
        begun(page, 0)
        browser.stop("services.edge")
        until(page, "window.notes.includes('back')")
        once(whole(page, 0))
        assert page.locator("#status").inner_text() == "The link is back."


def an_edge_that_is_restarted_is_found_again(browser: Browser) -> None:
    """Stopped gently: what runs is answered, the page looks for the edge by itself, and the conversation stays."""
    with browser.page() as page:
        sessions: list[str] = []
        page.on("websocket", lambda socket: sessions.append(socket.url.partition("session=")[2][:32]))
        page.reload()
        ask(page)
        begun(page, 0)
        del sessions[:-1]  # those of the page before it was loaded again
        browser.stop("services.edge", signal.SIGTERM)
        once(whole(page, 0))
        until(page, "window.notes.includes('back')")
        ask(page)
        once(whole(page, 1))
        assert turn(page, 0).locator(".answer").count() == 1
        assert len(sessions) > 1
        assert len(set(sessions)) == 1
