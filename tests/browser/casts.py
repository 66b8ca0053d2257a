"""Which scenes share a pipeline, and how they are played."""

import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import Struct

from tests.acceptance import pipeline

from . import asking, breaking, client_scenes, talking
from .browser import Browser, opened

SHORT = "You said: {transcript} This is the second sentence. The third one is a little longer than that. Now the last."
LONG = " ".join(f"This is sentence number {n} of a reply that takes its time to be told." for n in range(1, 8))


class Cast(Struct, frozen=True):
    """Scenes that share a pipeline."""

    settings: Mapping[str, str]
    scenes: tuple[Callable[[Browser], None], ...]


CASTS = {
    "talking": Cast(
        {"SCRIPTED_REPLY": SHORT, "SCRIPTED_TTS_WORDS_PER_SECOND": "6", "SCRIPTED_STT_MS": "200"},
        (
            talking.a_held_button_is_answered_in_words_and_sound,
            talking.talking_again_interrupts_and_tells_what_was_heard,
            talking.a_dropped_file_of_a_wrong_kind_gets_a_sentence,
            talking.an_answer_that_may_not_sound_yet_says_so,
            talking.a_slow_link_is_talked_over,
        ),
    ),
    "looking": Cast({"SCRIPTED_REPLY": SHORT}, (talking.phone_and_desktop_light_and_dark_are_accessible,)),
    "asking": Cast(
        {"SCRIPTED_REPLY": LONG, "SCRIPTED_WORDS_PER_SECOND": "40", "API_KEYS": f"people:{asking.KEY}"},
        (
            asking.a_key_is_asked_for_and_stays_in_its_tab,
            asking.what_can_be_asked_for_is_what_the_service_says,
            asking.a_long_reply_is_whole_and_a_keyboard_is_enough,
            asking.a_finger_is_enough_and_still_is_still,
            asking.a_microphone_that_is_refused_or_missing_is_told,
        ),
    ),
    "breaking": Cast(
        {"SCRIPTED_REPLY": SHORT, "SCRIPTED_TTS_WORDS_PER_SECOND": "6", "ALLOWED_ORIGINS": client_scenes.ORIGIN},
        (
            breaking.a_broker_that_ends_under_a_turn_loses_no_answer,
            breaking.an_edge_that_dies_in_the_middle_of_an_answer_loses_none_of_it,
            breaking.an_edge_that_is_restarted_is_found_again,
            client_scenes.the_client_of_the_docs_asks_from_another_site_and_plays,
        ),
    ),
}


def play(name: str, folder: Path, program: str) -> bool:
    """Play every scene of a cast; whether all of it holds."""
    cast = CASTS[name]
    settings = {**pipeline.SCRIPTED, **cast.settings}
    with tempfile.TemporaryDirectory() as data, pipeline.running(Path(data), settings) as running:
        address = running.url.replace("ws://", "http://").removesuffix("/ws") + "/"
        with opened(address, program, folder, Path(data)) as browser:
            return [holds(scene, browser) for scene in cast.scenes].count(False) == 0


def holds(scene: Callable[[Browser], None], browser: Browser) -> bool:
    """Play one scene, and tell how it went."""
    began, words = time.monotonic(), scene.__name__.replace("_", " ")
    try:
        scene(browser)
    except Exception:
        print(f"DOES NOT HOLD: {words}\n{traceback.format_exc()}", flush=True)  # noqa: T201 - the command's result
        return False
    print(f"holds: {words} ({time.monotonic() - began:.0f} s)", flush=True)  # noqa: T201 - the command's result
    return True
