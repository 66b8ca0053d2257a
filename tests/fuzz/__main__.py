"""The long form of the fuzzer: `python -m tests.fuzz [CASES] [SEED]`."""

import secrets
import sys
import tempfile
from pathlib import Path

from tests.fuzz import wires
from tests.fuzz.run import run

if __name__ == "__main__":
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else secrets.randbelow(2**32)
    sys.stdout.write(f"seed {seed}\n")
    sys.stdout.flush()
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(f"{run(cases, seed, Path(folder))}\n")
    sys.stdout.write(f"{wires.main(2 * cases, seed)}\n")
