"""Charts as SVG files that read well on a light and on a dark page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

TEXT, GRID = "#24292f", "#d0d7de"
DARK = {TEXT: "#e6edf3", GRID: "#3d4752"}
"""What stands for these two colours on a dark page."""
OURS = "#2f6fc4"
OTHERS = ("#bf8700", "#2c8048", "#a0509e", "#c4512f", "#8c97a3", "#4aa3a2", "#7d6b3d")
STYLE = {
    "svg.fonttype": "none",  # text stays text: it can be searched, read aloud and coloured
    "svg.hashsalt": "voicebus",  # the same figures make the same file
    "font.family": "sans-serif",
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": GRID,
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
}

Series = Mapping[str, Sequence[float | None]]
"""A name and its values, one for each group; None where there is none. A name with `voicebus` has our colour."""


def bars(path: Path, title: str, unit: str, groups: Sequence[str], series: Series) -> None:
    """Lying bars: for each group one bar of each series, with its value at its end."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        height = 0.8 / max(1, len(series))
        figure, axes = _figure(title, 1.2 + 0.28 * len(groups) * (len(series) + 1))
        for row, ((name, values), colour) in enumerate(zip(series.items(), colours(series), strict=True)):
            places = [group + (row - (len(series) - 1) / 2) * height for group in range(len(groups))]
            drawn = axes.barh(places, [value or 0 for value in values], height * 0.9, label=name, color=colour)
            axes.bar_label(drawn, [_short(value) for value in values], padding=3, fontsize=8, color=TEXT)
        axes.set_yticks(range(len(groups)), groups)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.1)
        axes.set_xlabel(unit)
        _legend(axes)
        _save(figure, path, title)


def lines(path: Path, title: str, across: str, up: str, xs: Sequence[float], series: Series) -> None:
    """A line for each series over *xs*; *across* and *up* name the axes and their units."""
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure, axes = _figure(title, 4.2)
        for (name, values), colour in zip(series.items(), colours(series), strict=True):
            points = [(x, value) for x, value in zip(xs, values, strict=True) if value is not None]
            axes.plot(
                [x for x, _ in points], [y for _, y in points], marker="o", markersize=4, label=name, color=colour
            )
        axes.set_ylim(bottom=0)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        _legend(axes)
        _save(figure, path, title)


def colours(series: Series) -> list[str]:
    """A colour for each series: ours is always the same one, and the first of ours is the full one."""
    others = iter(OTHERS * (len(series) // len(OTHERS) + 1))
    ours = iter((OURS, "#7fb0ee", "#1b4580") * (len(series) // 3 + 1))
    return [next(ours) if "voicebus" in name else next(others) for name in series]


def _figure(title: str, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.6, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    return figure, axes


def _legend(axes: Axes) -> None:
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(frameon=False, fontsize=9, loc="best")


def _save(figure: Figure, path: Path, title: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", transparent=True, metadata={"Date": None, "Title": title})
    path.write_text(dark_too(path.read_text("utf-8")), encoding="utf-8")


def dark_too(svg: str) -> str:
    """The drawing with a style sheet that exchanges its text's and its grid's colours on a dark page."""
    rules = "".join(
        f'[style*="fill: {light}"]{{fill:{dark} !important}} [style*="stroke: {light}"]{{stroke:{dark} !important}} '
        for light, dark in DARK.items()
    )
    head, opened, rest = svg.partition("<defs>")
    return f"{head}<style>@media (prefers-color-scheme: dark) {{ {rules}}}</style>{opened}{rest}"


def _short(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
