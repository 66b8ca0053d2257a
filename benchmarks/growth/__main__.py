"""`python -m benchmarks.growth [NAME ...] [--seconds N]`: measure how cost grows; all of it without a name.

Each measurement writes `benchmarks/results/growth-NAME.json`. `python -m benchmarks.growth page` measures nothing and
writes docs/sizing.md from what is there.
"""

import argparse
import asyncio
import logging
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import structlog
from msgspec import Struct

from benchmarks import results

from . import backlog, edges, page, sizing_page, soak, sockets, workers

Measure = Callable[[Path, float], Awaitable[Struct]]
PAGE = "page"


class Measurement(Struct, frozen=True):
    """What can be measured, and how long it takes unless told."""

    measure: Measure
    seconds: float


ALL = {
    workers.NAME: Measurement(workers.measure, workers.SECONDS),
    edges.NAME: Measurement(edges.measure, edges.SECONDS),
    sockets.NAME: Measurement(sockets.measure, sockets.SECONDS),
    backlog.NAME: Measurement(backlog.measure, backlog.SECONDS),
    soak.NAME: Measurement(soak.measure, soak.SECONDS),
}


def main() -> int:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join((*ALL, PAGE)))
    parser.add_argument("--seconds", type=float, help="of each point; of the soak in all; the longest drain")
    parser.add_argument("--turns", type=int, default=backlog.TURNS, help="of the backlog")
    parser.add_argument("--results", type=Path, default=results.FOLDER, help="the folder of the results")
    wanted = parser.parse_args()
    unknown = sorted(set(wanted.names) - {*ALL, PAGE})
    if unknown:
        parser.error(f"{', '.join(unknown)}: no such measurement; there are {', '.join((*ALL, PAGE))}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for name in wanted.names or ALL:
        if name == PAGE:
            sizing_page.PAGE.write_text(sizing_page.page(wanted.results), encoding="utf-8")
            continue
        one = ALL[name]
        measure = partial(backlog.measure, turns=wanted.turns) if name == backlog.NAME else one.measure
        say(f"{name} ...")
        run(name, measure, wanted.seconds or one.seconds, wanted.results)
        say(page.SECTIONS[name](wanted.results))
    return 0


def run(name: str, measure: Measure, seconds: float, folder: Path) -> None:
    """Measure and store; logs and streams stay only when it fails."""
    data = Path(tempfile.mkdtemp(prefix=f"voicebus-{name}-"))
    try:
        found = asyncio.run(_measured(measure, data, seconds))
    except BaseException:
        say(f"{name} failed; the logs are in {data}")
        raise
    shutil.rmtree(data)
    say(f"written: {results.write(f'growth-{name}', found, folder)}")


async def _measured(measure: Measure, data: Path, seconds: float) -> Struct:
    return await measure(data, seconds)


def say(text: str) -> None:
    """Tell the person who waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
