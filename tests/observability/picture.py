"""The dashboard as a picture: its own queries, answered by a Prometheus, drawn by matplotlib and not by Grafana."""

import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import matplotlib as mpl
import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from msgspec import Struct

from benchmarks import charts
from tests.observability import named

PATH = Path(__file__).resolve().parents[2] / "docs/observability.svg"
NOTHING = "it has nothing to show"
SHOWN = (
    "Time to first audio",
    "Whole turns",
    "Turns a minute",
    "Wait in the queue, 95 %",
    "First output, 95 %",
    "Service time, 95 %",
    "Real-time factor, 90 %",
    "Queue depth",
    "Places taken",
    "Audio a second",
    "Events that were not finished, a minute",
    "Delivered again, a minute",
)
"""Panels in which something moves within a minute."""
ACROSS = 4
STEP = 3
"""Seconds between two points: a finer line makes a larger file and says no more."""
RATE = "15s"
"""What Grafana puts for $__rate_interval follows from the scrape interval; here that is a second."""
UNITS = {"s": ("s", 1.0), "bytes": ("MiB", 1 / 2**20), "percentunit": ("%", 100.0)}


class Series(Struct, frozen=True):
    """One line of an answer."""

    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Data(Struct, frozen=True):
    result: list[Series] = []


class _Answer(Struct, frozen=True):
    data: _Data = _Data()
    error: str = ""


class Prometheus(Struct, frozen=True):
    """One that runs."""

    url: str

    def ask(self, query: str, begin: float, end: float) -> _Answer:
        """A query over a time, step by step."""
        words = {"query": query.replace("$__rate_interval", RATE), "start": begin, "end": end, "step": STEP}
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/query_range?{urllib.parse.urlencode(words)}") as answer:
                return msgspec.json.decode(answer.read(), type=_Answer, strict=False)
        except urllib.error.HTTPError as error:
            with error:
                return msgspec.json.decode(error.read(), type=_Answer, strict=False)


def drawn(prometheus: Prometheus, begin: float, end: float) -> dict[str, str]:
    """Draw what moved; gives the queries of all panels that failed or had nothing to show, the alerts' that failed."""
    panels, problems = [panel for panel in named.panels() if panel["title"] in SHOWN], dict[str, str]()
    rows = -(-len(panels) // ACROSS)
    with mpl.rc_context(charts.STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(4.2 * ACROSS, 2.6 * rows), layout="constrained")
        places = figure.subplots(rows, ACROSS, squeeze=False).flat
        for panel, axes in zip(panels, places, strict=True):
            _panel(prometheus, panel, axes, (begin, end))
        figure.suptitle(
            "The queries of voicebus's Grafana dashboard, drawn by matplotlib from a real scrape: "
            "not a screenshot of Grafana"
        )
        figure.savefig(PATH, format="svg", transparent=True, metadata={"Date": None, "Title": "The dashboard's panels"})
    PATH.write_text(charts.dark_too(PATH.read_text("utf-8")), encoding="utf-8")
    alerts = {rule["alert"] for rule in named.alerts()}
    for where, query in named.queries().items():
        answer = prometheus.ask(query, begin, end)
        if answer.error or not (answer.data.result or where in alerts):
            problems[where] = answer.error or NOTHING
    return problems


def _panel(prometheus: Prometheus, panel: dict[str, Any], axes: Axes, span: tuple[float, float]) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    axes.set_title(panel["title"], fontsize=10, loc="left")
    name, times_unit = UNITS.get(unit, ("", 1.0))
    axes.set_ylabel(name, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.set_xlim(0, span[1] - span[0])
    axes.ticklabel_format(axis="y", useOffset=False)
    for target in panel["targets"]:
        answer = prometheus.ask(target["expr"], *span)
        for series in answer.data.result:
            times = [at - span[0] for at, _ in series.values]
            values = [float(value) * times_unit for _, value in series.values]
            axes.plot(times, values, linewidth=1.2, label=_legend(target["legendFormat"], series.metric))
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=6, loc="upper left", frameon=False)
    lowest, highest = axes.get_ylim()
    axes.set_ylim(min(0.0, lowest), highest + (highest - lowest) / 4)


def _legend(form: str, labels: dict[str, str]) -> str:
    for name, value in labels.items():
        form = form.replace(f"{{{{{name}}}}}", value.removeprefix("127.0.0.1:"))
    return form
