"""How cost grows, as a section of docs/performance.md, with its charts."""

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import charts, results
from benchmarks.results import About

from . import backlog, curve, edges, soak, sockets, workers
from .backlog import Backlog
from .curve import Curve
from .markdown import table
from .slope import STEADY_KIB_A_MINUTE, STEP_SECONDS
from .soak import Soak
from .sockets import Sockets

HEAD = """\
## How cost grows

`python -m benchmarks.growth`, with scripted engines: what is measured is voicebus and its broker, not a model.
A question is 3.6 s of sound (115 KB), its answer one sentence of 2.8 s (134 KB). Broker, services and clients share the
machine; *others* are programs that have nothing to do with it: when they have more than 10 % of the machine, a point is
measured a second time, and the quieter one counts. Cores are an average over the measurement.
"""
CURVES = {workers.NAME: "stt workers", edges.NAME: "edges"}


def section(figures: Path, drawings: Path) -> str:
    """The whole section; nothing when nothing was measured. Charts are drawn into *drawings*."""
    parts = [part for one in SECTIONS.values() if (part := one(figures))]
    draw(figures, drawings)
    return "\n".join([HEAD, *parts]) if parts else ""


def draw(figures: Path, drawings: Path) -> None:
    """The charts of what was measured."""
    for name, service in CURVES.items():
        if found := results.read(f"growth-{name}", Curve, figures):
            _draw_curve(found, service, drawings / f"growth-{name}.svg")
    if soaked := results.read(f"growth-{soak.NAME}", Soak, figures):
        _draw_memory(soaked, drawings / f"growth-{soak.NAME}.svg")


def _draw_curve(found: Curve, service: str, path: Path) -> None:
    sizes = [float(point.size) for point in found.points]
    each = found.points[0].turns_a_second / sizes[0]
    lines = {
        "voicebus": [point.turns_a_second for point in found.points],
        "even growth": [each * size for size in sizes],
    }
    charts.lines(path, f"Turns a second by {service}", service, "turns/s", sizes, lines)


def _draw_memory(found: Soak, path: Path) -> None:
    steps = min(len(one.steps_kib) for one in found.processes)
    minutes = [step * STEP_SECONDS / 60 for step in range(steps)]
    memory = {one.name: [kib / 1024 for kib in one.steps_kib[:steps]] for one in found.processes}
    charts.lines(path, "Memory under load", "minutes", "MiB", minutes, memory)


def _workers(figures: Path) -> str:
    words = f"""\
stt takes {workers.SERVICE_MS} ms for an utterance and works on one at a time, so n workers can do
{1000 // workers.SERVICE_MS} n turns a second and no more. Workers are added while the others run."""
    return _curve(results.read(f"growth-{workers.NAME}", Curve, figures), workers.NAME, "More workers", words)


def _edges(figures: Path) -> str:
    words = f"""\
Each edge has {edges.SOCKETS} clients of its own, which ask again as soon as they are answered; a turn takes
{edges.SETTINGS["SCRIPTED_STT_MS"]} ms in stt."""
    return _curve(results.read(f"growth-{edges.NAME}", Curve, figures), edges.NAME, "More edges", words)


def _curve(found: Curve | None, name: str, title: str, words: str) -> str:
    if found is None:
        return ""
    chart = f"![Turns a second by {CURVES[name]}, beside even growth](performance/growth-{name}.svg)"
    parts = [f"### {title}", words, curve.told(found, CURVES[name]), chart, curve.table(found, name)]
    return "\n\n".join([*parts, _where(found.about, found.settings, name), ""])


def _sockets(figures: Path) -> str:
    found = results.read(f"growth-{sockets.NAME}", Sockets, figures)
    if found is None:
        return ""
    rows = [
        [
            name,
            f"{point.p50_ms:.1f}",
            f"{point.p95_ms:.1f}",
            f"{point.foreign_cores:.2f}",
            f"{point.rss_mib['edge']:.0f}",
        ]
        for name, point in (
            ("no idle socket", found.without),
            (f"{found.idle:,} idle sockets", found.meanwhile),
            ("closed again", found.after),
        )
    ]
    words = f"""\
### Idle sockets

{found.idle:,} sockets on one edge, opened in {found.open_s:g} s and closed in {found.close_s:g} s. Each takes
**{found.kib_a_socket["edge"]:.1f} KiB in the edge** and {found.kib_a_socket["broker"]:.1f} KiB in the broker. While
nobody asks they cost {found.idle_cores["edge"]:.3f} cores in the edge: a ping each 20 s, and once a second a look at
what is unread. One client asks meanwhile, turn after turn:"""
    times = table(["", "p50 ms", "p95 ms", "others, cores", "edge, MiB"], rows)
    return "\n\n".join([words, times, _where(found.about, found.settings, sockets.NAME), ""])


def _backlog(figures: Path) -> str:
    found = results.read(f"growth-{backlog.NAME}", Backlog, figures)
    if found is None:
        return ""
    ended = ", ".join(f"{count:,} {name}" for name, count in found.outcomes.items())
    rows = [
        [role, found.empty_mib.get(role, "–"), found.standing_mib.get(role, "–"), highest, found.after_mib[role]]
        for role, highest in found.highest_mib.items()
    ]
    words = f"""\
### A backlog

{found.turns:,} questions ({found.mib:,.0f} MiB), each of a session of its own, are published straight on the bus while
no worker runs, in {found.publish_s:g} s; then one worker a stage is started. The last answer came {found.drain_s:g} s
later, **{found.turns_a_second:g} turns/s**. Counted by their own answers: **{ended}**. Each question allows
{backlog.TIMEOUT_MS // 60_000} minutes. Cores meanwhile: {_cores(found.cores)}."""
    memory = table(["MiB", "before", "backlog stands", "at most", "afterwards"], rows)
    return "\n\n".join([words, memory, _where(found.about, found.settings, backlog.NAME), ""])


def _soak(figures: Path) -> str:
    found = results.read(f"growth-{soak.NAME}", Soak, figures)
    if found is None:
        return ""
    ended = ", ".join(f"{count:,} {name}" for name, count in found.outcomes.items())
    words = f"""\
### Memory over time

{found.seconds / 60:.0f} minutes at {found.turns_a_second:g} turns/s, sampled each second; the first
{found.warm_seconds / 60:.0f} are the warm-up. Sockets come and go: after ten turns each is closed, or broken in the
middle of a turn, or sends what is no WAV, or comes back for its turn on another socket. *Grows* is what rises by more
than {STEADY_KIB_A_MINUTE:g} KiB a minute both over the whole time and over its second half. Turns: {ended}."""
    head = ["", "cores", "MiB after the warm-up", "MiB at the end", "KiB a minute", "in the second half", ""]
    rows = [
        [
            one.name,
            f"{one.cpu_cores:.2f}",
            *(f"{kib / 1024:.1f}" for kib in (one.slope.first_kib, one.slope.last_kib)),
            *(f"{kib:+.1f}" for kib in (one.slope.kib_a_minute, one.slope.later_kib_a_minute)),
            one.slope.verdict,
        ]
        for one in found.processes
    ]
    chart = "![Memory of each process over time](performance/growth-soak.svg)"
    return "\n\n".join([words, chart, table(head, rows), _where(found.about, found.settings, soak.NAME), ""])


def _cores(cores: Mapping[str, float]) -> str:
    return ", ".join(f"{role} {used:.2f}" for role, used in cores.items())


def _where(about: About, settings: Mapping[str, str], name: str) -> str:
    told = ", ".join(f"`{setting}={value}`" for setting, value in settings.items())
    return f"`python -m benchmarks.growth {name}` on {about.cores} cores ({about.processor}), {about.when}; {told}."


SECTIONS: dict[str, Callable[[Path], str]] = {
    workers.NAME: _workers,
    edges.NAME: _edges,
    sockets.NAME: _sockets,
    backlog.NAME: _backlog,
    soak.NAME: _soak,
}
"""Each gives its part, or nothing when it was not measured."""
