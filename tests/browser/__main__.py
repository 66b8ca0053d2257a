"""The page in a real Chromium, with a microphone that plays the shipped question: `make page-test`.

It takes the Chromium of this machine (`CHROMIUM` names another). `ARGS="FOLDER"` keeps screenshots of 360 and 1280 px
there, to be looked at. It ends with 1 at the first thing that does not hold. It is no part of `make test`, because a
browser is no package.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.acceptance import pipeline

from . import client_scenes, scenes
from .browser import Browser, opened

REPLY = "You said: {transcript} This is the second sentence. The third one is a little longer than that. Now the last."
SETTINGS = {
    **pipeline.SCRIPTED,
    "SCRIPTED_REPLY": REPLY,
    "SCRIPTED_TTS_WORDS_PER_SECOND": "6",
    "ALLOWED_ORIGINS": client_scenes.ORIGIN,
}
SCENES: tuple[Callable[[Browser], None], ...] = (
    scenes.a_held_button_is_answered_in_words_and_sound,
    scenes.talking_again_interrupts_and_tells_what_was_heard,
    scenes.a_wrong_file_gets_a_sentence,
    scenes.a_killed_broker_loses_no_answer,
    scenes.a_killed_edge_loses_no_answer,
    scenes.phone_and_desktop_light_and_dark_are_accessible,
    client_scenes.the_client_of_the_docs_asks_from_another_site_and_plays,
)


def chromium() -> str:
    """The browser of this machine."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, filter(None, names))), None)
    if found is None:
        sys.exit("there is no Chromium here: install it (Debian: apt install chromium), or name one in CHROMIUM")
    return found


def main(folder: Path) -> int:
    """Play every scene against one `voicebus up`. Returns an exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    program = chromium()
    with tempfile.TemporaryDirectory() as data, pipeline.running(Path(data), SETTINGS) as running:
        address = running.url.replace("ws://", "http://").removesuffix("/ws") + "/"
        with opened(address, program, folder, Path(data)) as browser:
            for scene in SCENES:
                scene(browser)
                print(f"holds: {scene.__name__.replace('_', ' ')}", flush=True)  # noqa: T201 - the command's result
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as pictures:
        sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else pictures)))
