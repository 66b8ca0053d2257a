"""A process that leads a group and kills it, itself too, when the program that started it is gone.

It is run as a script: `python -I -S leash.py`, with a pipe from its parent as its input. The pipe ends when the parent
ends, even by SIGKILL, which no parent can answer itself.
"""

import os
import signal
import sys

if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    os.killpg(os.getpgid(0), signal.SIGKILL)
