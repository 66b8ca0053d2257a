"""The `voicebus` command: results go to stdout, all else to stderr.

Exit codes: 0 done, 1 failed, 2 a wrong word or a bad setting, 130 interrupted.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from . import arguments

FAILED, BAD_USE, INTERRUPTED = 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; give its exit code."""
    words = arguments.parse(argv)
    try:
        return _run(words)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who read the results has gone, as in `voicebus config | head`; Python must not flush to it when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        return _told(error)


def _run(words: argparse.Namespace) -> int:
    # Imports are made where they are needed: `voicebus --version` answers before the first of them is loaded.
    match words.command:
        case "up":
            from . import up

            return up.run()
        case "demo":
            from . import demo

            return demo.run()
        case "say":
            from . import say

            return say.run(words)
        case "setup":
            from . import setup

            return setup.run()
        case "config":
            from . import config

            return config.run(as_json=words.json)
        case "dead":
            from . import dead

            return dead.run(words)
        case "doctor":
            from . import doctor

            return doctor.run(as_json=words.json)
        case service:
            os.execv(sys.executable, [sys.executable, "-m", f"services.{service}"])


def _told(error: Exception) -> int:
    from services.runtime.errors import SettingsError, VoicebusError

    from . import console

    if not isinstance(error, VoicebusError):
        raise error
    console.error(str(error))
    return BAD_USE if isinstance(error, SettingsError) else FAILED


if __name__ == "__main__":
    sys.exit(main())
