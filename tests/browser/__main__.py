"""The page in a real Chromium, with a microphone that plays the shipped question: `make page-test`.

It takes the Chromium of this machine (`CHROMIUM` names another). `ARGS="FOLDER"` keeps screenshots of 360 and 1280 px
there, to be looked at; `ARGS="FOLDER breaking"` plays one cast alone. The casts play at once, each with a browser and a
`voicebus up` of its own, because most of a scene is waiting. It ends with 1 when something does not hold. It is no part
of `make test`, because a browser is no package.
"""

import multiprocessing
import os
import shutil
import sys
import tempfile
from pathlib import Path

from .casts import CASTS, play

MOST_SECONDS = 280


def chromium() -> str:
    """The browser of this machine."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, filter(None, names))), None)
    if found is None:
        sys.exit("there is no Chromium here: install it (Debian: apt install chromium), or name one in CHROMIUM")
    return found


def main(folder: Path, names: list[str]) -> int:
    """Play the casts that are named, all of them at once. Returns an exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    program = chromium()
    with multiprocessing.get_context("spawn").Pool(len(names)) as pool:
        played = pool.starmap_async(play, [(name, folder, program) for name in names], chunksize=1)
        return 0 if all(played.get(MOST_SECONDS)) else 1


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as pictures:
        arguments = sys.argv[1:] or [pictures]
        sys.exit(main(Path(arguments[0]), arguments[1:] or list(CASTS)))
