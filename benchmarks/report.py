"""Writes docs/performance.md from the results that there are: `python -m benchmarks.report`."""

from collections.abc import Callable
from pathlib import Path

from . import results
from .bus import report as bus
from .growth import page as growth
from .pipeline import section as pipeline

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
HEAD = """\
# Performance

How fast voicebus answers, what a turn costs, and how that compares, measured by `make bench` and written by
`python -m benchmarks.report` from `benchmarks/results/`: no figure on this page is typed in by hand.
"""

Section = Callable[[Path, Path], str]
"""Takes the folder of results and the folder for charts; gives the section as Markdown, with links to its charts as
`performance/NAME.svg`, or nothing when there are no results."""

SECTIONS: tuple[Section, ...] = (pipeline.section, bus.section, growth.section)
"""In the order of the page: a new bench adds its own."""


def compose(figures: Path, charts: Path) -> str:
    """The page's text; the charts are drawn into *charts*."""
    return "\n".join([HEAD, *filter(None, (section(figures, charts) for section in SECTIONS))])


def main() -> None:
    """Write the page and its charts."""
    PAGE.write_text(compose(results.FOLDER, PAGE.with_suffix("")), encoding="utf-8")


if __name__ == "__main__":
    main()
