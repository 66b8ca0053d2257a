"""The `voicebus` command: results go to stdout, all else to stderr.

Exit codes: 0 done, 1 failed, 2 a wrong word or a bad setting, 130 interrupted.
"""

import argparse
import importlib
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
    """Run the module of the command, which is imported only now: `--version` answers before anything heavy loads."""
    if words.command in arguments.SERVICES:
        os.execv(sys.executable, [sys.executable, "-m", f"services.{words.command}"])
    command = importlib.import_module(f".{words.command}", __package__)
    return int(command.run(words))


def _told(error: Exception) -> int:
    from services.runtime.errors import SettingsError, VoicebusError

    from . import console

    if not isinstance(error, VoicebusError):
        raise error
    console.error(str(error))
    return BAD_USE if isinstance(error, SettingsError) else FAILED


if __name__ == "__main__":
    sys.exit(main())
