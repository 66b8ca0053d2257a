"""docs/sizing.md, written from the results by `python -m benchmarks.growth page`."""

from pathlib import Path

from benchmarks import results

from . import backlog, edges, sizing, sockets
from .backlog import Backlog
from .curve import Curve
from .markdown import figure, table
from .sizing import ANSWER_BYTES, CALLERS, QUESTION_BYTES, STAGES, Assumed, Measured, Size
from .sockets import Sockets

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sizing.md"
COMMAND = "`python -m benchmarks.growth {}`"

HEAD = """\
# Sizing

How many edges, brokers, cores and GPUs, and how much bandwidth, a number of callers needs.
`python -m benchmarks.growth page` writes this page from `benchmarks/results/`; the formulas are in
`benchmarks/growth/sizing.py`. `python -m benchmarks.growth` makes the measurements.

Every number here is one of three: **measured** (the command is beside it), **calculated** (from measured ones, by a
formula that is named), or **assumed** (yours to replace). The figures of GPUs are assumed: what Whisper, a language
model and XTTS take of a GPU was not measured for this page.
"""


def page(figures: Path) -> str:
    """The whole page. Raises: LookupError when a measurement that it needs was never made."""
    curve = results.read(f"growth-{edges.NAME}", Curve, figures)
    held = results.read(f"growth-{sockets.NAME}", Sockets, figures)
    drained = results.read(f"growth-{backlog.NAME}", Backlog, figures)
    if curve is None or held is None or drained is None:
        raise LookupError(f"{figures} lacks edges, sockets or backlog: run `python -m benchmarks.growth` first")
    known, assumed = sizing.measured(curve, held, drained), Assumed()
    sizes = [sizing.size(callers, known, assumed) for callers in CALLERS]
    parts = [
        _table(sizes),
        _measured(known, curve),
        _assumed(assumed),
        _formulas(known, assumed),
        _large(known, assumed),
    ]
    return "\n".join([HEAD, *parts])


def _table(sizes: list[Size]) -> str:
    head = ["callers at once", "turns/s", "edges", "their memory, GiB", "clusters of 3 brokers"]
    head += ["cores of stt, llm and tts, engines aside", "GPUs stt / llm / tts"]
    head += ["Gbit/s from / to clients", "Gbit/s on the bus"]
    return f"""\
## The table

Calculated, from the figures and assumptions below.

{table(head, map(_row, sizes))}

An edge is one process and needs a core. The numbers are what the load needs: for one that may die, add one.
"""


def _row(one: Size) -> list[str]:
    gpus = " / ".join(f"{one.gpus[stage]:,}" for stage in STAGES)
    clients = " / ".join(map(figure, one.client_gbit))
    counts = [
        f"{one.callers:,}",
        figure(one.turns_a_second),
        f"{one.edges:,}",
        figure(one.edge_gib),
        f"{one.clusters:,}",
    ]
    return [*counts, figure(one.stage_cores), gpus, clients, figure(one.bus_gbit)]


def _measured(known: Measured, curve: Curve) -> str:
    of_edges = COMMAND.format(edges.NAME)
    rows = [
        *([f"a turn in {role}", f"{cpu:.1f} ms of a core", of_edges] for role, cpu in known.cpu_ms.items()),
        *([f"one process of {role}", f"{mib:.0f} MiB", of_edges] for role, mib in known.process_mib.items()),
        *(
            [f"a socket in the {role}", _kib(kib), COMMAND.format(sockets.NAME)]
            for role, kib in known.socket_kib.items()
        ),
        [
            "questions that one stream stored, its publisher on the same cores",
            f"{known.stream_a_second:,.0f} a second",
            COMMAND.format(backlog.NAME),
        ],
    ]
    return f"""\
## Measured

With scripted engines, so these are the costs of voicebus itself, on {curve.about.cores} cores
({curve.about.processor}), {curve.about.when}. Yours are others: run the commands there.

{table(["what", "figure", "command"], rows)}
"""


def _assumed(assumed: Assumed) -> str:
    gpu = ", ".join(f"{stage} {ms:g} ms" for stage, ms in assumed.gpu_ms.items())
    link = f"{assumed.link_gbit:g} Gbit/s each way, {assumed.link_used:.0%} of it used"
    rows = [
        ["questions of a caller", f"{assumed.turns_a_minute:g} a minute"],
        ["a question", f"3.6 s of 16 kHz, {QUESTION_BYTES:,} bytes"],
        ["an answer", f"2.8 s of 24 kHz, {ANSWER_BYTES:,} bytes"],
        ["how busy a core may be", f"{assumed.cores_used:.0%}"],
        ["sockets of an edge (`MAX_SOCKETS`)", f"{assumed.edge_sockets:,}"],
        ["a broker", f"{assumed.broker_cores} cores, {link}"],
        ["copies of a stream (`STREAM_REPLICAS`)", str(assumed.replicas)],
        ["what a turn takes of a GPU, **placeholders**", gpu],
        ["how busy a GPU may be", f"{assumed.gpu_used:.0%}"],
    ]
    return f"## Assumed: replace these\n\n{table(['what', 'here'], rows)}\n"


def _formulas(known: Measured, assumed: Assumed) -> str:
    limits = sizing.cluster_limits(known, assumed)
    lowest = min(limits, key=lambda name: limits[name])
    told = ", ".join(f"{name} {figure(turns)}" for name, turns in limits.items())
    return f"""\
## Calculated

- **turns/s** = callers × questions a minute / 60.
- **edges** = the larger of callers / `MAX_SOCKETS` and turns/s / {figure(sizing.edge_turns(known, assumed))}, which is
  {assumed.cores_used:.0%} of a core over what a turn costs in the edge.
- **memory of the edges** = a process each, and a socket for each caller. What is being sent comes on top:
  [operations.md](operations.md) says what one client can take.
- **clusters** = turns/s over the lowest limit of one, which are, in turns/s: {told}; so {lowest} decides.
  *CPU*: what a turn costs in the broker, once for each copy, over the cores of three brokers. *Network*: what leaves
  the leader of the busier stream, for the other copies and the reader. *Stream*: what one was seen to store, a lower
  bound.
- **cores of stt, llm, tts** = turns/s × what a turn costs there, over {assumed.cores_used:.0%}.
- **GPUs of a stage** = turns/s × what a turn takes of a GPU / {assumed.gpu_used:g}. With 1,000 callers:
  {_gpus(sizing.size(1000, known, assumed), assumed)}.
  Batching lowers it: measure yours as 1 / (turns a second that one GPU does at a latency that you accept).
- **disk for the answers of a cluster**, `STREAM_ANSWER_MIB` = turns/s × the bytes of an answer ×
  `STREAM_ANSWER_SECONDS` ({assumed.answer_seconds:g}), for 10 turns/s {sizing.answer_mib(10, assumed):,} MiB, for 100
  {sizing.answer_mib(100, assumed):,}. With less the oldest answers cannot be fetched again; live ones are not touched.
  `STREAM_UTTERANCES` (500) is how many questions may be unfinished: at least turns/s × the seconds that one may wait
  for stt and take there.
- **Gbit/s** from and to clients = turns/s × the bits of a question, of an answer. On the bus each is received once,
  copied {assumed.replicas - 1} times and sent once.
"""


def _gpus(one: Size, assumed: Assumed) -> str:
    turns, used = figure(one.turns_a_second), f"{assumed.gpu_used:g}"
    return ", ".join(
        f"{stage} {turns} × {assumed.gpu_ms[stage] / 1000:g} s / {used} → {one.gpus[stage]}" for stage in STAGES
    )


def _large(known: Measured, assumed: Assumed) -> str:
    turns = sizing.cluster_turns(known, assumed)
    return f"""\
## Beyond one cluster

A work queue is one stream, and a stream has one leader, so a cluster has an end: {figure(turns)} turns/s here, which
are {turns * 60 / assumed.turns_a_minute:,.0f} callers. Beyond it, put whole deployments side by side (brokers, edges,
workers) and send each caller always to the same one, by a hash of its session or its key in the load balancer: a
conversation needs nothing of any other, so nothing is shared and nothing in voicebus changes.

What was not measured: more than one deployment, more than one machine, and what three copies cost (taken as three times
one). What a deployment does when a part of it dies is in [reliability.md](reliability.md).
"""


def _kib(kib: float) -> str:
    return f"{kib:.1f} KiB" if kib >= 1 else "less than 1 KiB, not seen beside its heap's own noise"
