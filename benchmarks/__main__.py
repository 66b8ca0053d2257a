"""Run the benches one after the other and write the page: `python -m benchmarks [--full]`."""

import argparse
import subprocess
import sys
import time

from . import report

PARTS = ("pipeline", "pipeline.hearing", "bus", "bus.parts")
"""Modules of this package that are run, less than 25 minutes together."""
FULL = ("growth",)
"""What `--full` runs besides."""


def main() -> int:
    """The exit code: 1 when a part failed; the others are run all the same."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--full", action="store_true", help="how cost grows, and 30 minutes of load, too")
    words = parser.parse_args()
    failed, began = [], time.monotonic()
    for part in (*PARTS, *(FULL if words.full else ())):
        minutes = (time.monotonic() - began) / 60
        print(f"benchmarks.{part}, after {minutes:.1f} min", file=sys.stderr, flush=True)  # noqa: T201 - progress
        if subprocess.run([sys.executable, "-m", f"benchmarks.{part}"], check=False).returncode:
            failed.append(part)
    report.main()
    told = f"{report.PAGE} is written, after {(time.monotonic() - began) / 60:.1f} min"
    print(told + (f"; failed: {', '.join(failed)}" if failed else ""))  # noqa: T201 - the result
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
