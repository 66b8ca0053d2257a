"""The section of docs/performance.md about whole turns."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import charts, results
from benchmarks.measure import MUCH_FOREIGN, Spread

from . import bars, hearing
from .contenders import REAL, SCRIPTED
from .figures import NAME, Cell, Run

TITLES = {
    REAL: "One short sentence (SmolLM2-135M, greedy, at most 24 tokens)",
    SCRIPTED: "Three sentences, 33 words, at 25 words a second",
}
HOW = """\
## Whole turns, beside the peers

Everybody runs the same models with the same settings: Whisper base int8 with one beam, SmolLM2-135M by llama.cpp,
Piper's `joe`. A question of {seconds:.1f} s ends with its last spoken sample, and the clock starts when it is sent. A
caller asks again as soon as it is answered, each time on a new connection. All contenders are up at once and idle but
for the one whose turn it is; every cell is run in {rounds} round(s), in an order that moves on, so that a slow minute
of the machine hits everybody; on a slow machine the last ones are run once, for everybody, as *n* shows.

- **voicebus** is `voicebus up` as it comes, with `LLM_MAX_TOKENS=24`; *streamed* asks with `?stream=1`.
- **FastAPI monolith**: `benchmarks/pipeline/monolith.py`, the program before voicebus as its README describes it; its
  stages run in threads.
- **Pipecat** 1.14: one pipeline a connection with shared models, sentence by sentence; it sends sound at the pace of
  playing, so its full turn and its turns a minute are paced.
- **Wyoming**: the two servers of Home Assistant's protocol, chained by the client.
- **nats-py chain** and **FastStream chain**: stt, llm and tts as three programs and a broker, as the libraries' pages
  show it: confirmed publishes, work queues on file, acked when what follows is stored, two messages at once a stage,
  whole answers. They are asked over NATS.

All but voicebus are told the language and ask llama.cpp over HTTP, with threads that do not spin; voicebus finds the
language out. CPU is that of all processes that work for a contender, the model's server and the broker with them.
Memory counts shared pages once. *Foreign* is the share of the machine that other programs used; {much} and more is
marked with !, and its times are not to be relied on.

{about}
"""
HEAD = """
| callers | | n | first audio p50 | p95 | full turn p50 | p95 | turns/min | CPU s/turn | MiB | errors | foreign |
|---|---|---|---|---|---|---|---|---|---|---|---|"""
BARS = """
### What we set out to reach

The limits were set before, for two cores.

| | best peer here | voicebus | limit | |
|---|---|---|---|---|"""
NOT_GOOD = """
### What is not good

- An event-driven chain cannot beat a call in the same process where the work is nothing: three hops over a broker
  that stores each message cost some milliseconds, the monolith's hand-over a fraction of one. That is under a percent
  of a turn with real models.
- With one caller and a short answer most of the time is Whisper's; what is won there is won by showing it a shorter
  window than 30 s (8 s for a question of up to 6 s). What such a window leaves in doubt is read again with 30 s.
- Memory: four services are four Pythons, each with its libraries, and the broker is one more process.
"""


def section(figures: Path, drawings: Path) -> str:
    """The section as Markdown; nothing when it was never run."""
    run = results.read(NAME, Run, figures)
    if run is None:
        return ""
    about = run.about
    where = f"Run of {about.when}: {about.processor}, {about.cores} cores, {about.system}, Python {about.python}."
    how = HOW.format(seconds=run.question_seconds, rounds=run.rounds, much=f"{MUCH_FOREIGN:.0%}", about=where)
    heard = results.read(hearing.NAME, hearing.Figures, figures)
    parts = [how, BARS.strip("\n"), *bars.rows(run), *([_hearing_bar(heard)] if heard else [])]
    for answer in TITLES:
        parts += _answer(run, answer, drawings)
    return "\n".join([*parts, *([_hearing(heard)] if heard else []), NOT_GOOD])


def _answer(run: Run, answer: str, drawings: Path) -> Iterator[str]:
    cells = [cell for cell in run.cells if cell.answer == answer]
    if not cells:
        return
    title = TITLES[answer]
    yield f"\n### {title}\n"
    _draw(cells, title, drawings / f"first-audio-{answer}.svg", "first audio")
    yield f"![Seconds to the first audio, by callers](performance/first-audio-{answer}.svg)"
    if answer == REAL:
        _draw(cells, title, drawings / "throughput.svg", "turns")
        yield "\n![Turns a minute, by callers](performance/throughput.svg)"
    yield HEAD
    yield from map(_row, sorted(cells, key=lambda cell: cell.callers))
    yield "\nWhat was heard and answered, and how often:\n"
    for text, names in _answers(cells).items():
        yield f"- {text}: {', '.join(names)}"


def _row(cell: Cell) -> str:
    mark = " !" if cell.foreign > MUCH_FOREIGN else ""
    errors = "; ".join(f"{count} × {problem}" for problem, count in cell.problems.items()) or "0"
    figures = (
        f"{cell.turns_a_minute:.0f}",
        f"{cell.cpu_seconds_a_turn:.2f}",
        f"{cell.memory_mib:,.0f}",
        errors.replace("|", "/"),
        f"{cell.foreign:.2f}{mark}",
    )
    middle = " | ".join([str(cell.turns), *_spread(cell.first_audio), *_spread(cell.full), *figures])
    return f"| {cell.callers} | {cell.contender} | {middle} |"


def _spread(spread: Spread | None) -> tuple[str, str]:
    return (f"{spread.p50:.2f}", f"{spread.p95:.2f}") if spread else ("–", "–")


def _answers(cells: Sequence[Cell]) -> dict[str, list[str]]:
    """Each answer, and who gave it how often."""
    counts: dict[str, dict[str, int]] = {}
    for cell in cells:
        for text, count in cell.answers.items():
            names = counts.setdefault(text, {})
            names[cell.contender] = names.get(cell.contender, 0) + count
    return {text: [f"{name} {count}" for name, count in names.items()] for text, names in counts.items()}


def _draw(cells: Sequence[Cell], title: str, path: Path, what: str) -> None:
    callers = sorted({cell.callers for cell in cells})
    names = list(dict.fromkeys(cell.contender for cell in cells))
    found = {(cell.contender, cell.callers): cell for cell in cells}
    values = {name: [_value(found.get((name, count)), what) for count in callers] for name in names}
    groups = [f"{count} caller{'s' if count > 1 else ''}" for count in callers]
    unit = "seconds from the end of the question to the first sound, p50" if what == "first audio" else "turns a minute"
    charts.bars(path, title, unit, groups, values)


def _value(cell: Cell | None, what: str) -> float | None:
    if cell is None or not cell.turns:
        return None
    if what == "turns":
        return cell.turns_a_minute
    return cell.first_audio.p50 if cell.first_audio else None


def _hearing_bar(heard: hearing.Figures) -> str:
    ours, theirs = heard.voicebus, heard.peers
    met = ours.english <= theirs.english and ours.portuguese <= theirs.portuguese
    shown = [f"{each.english:.3f} en, {each.portuguese:.3f} pt" for each in (theirs, ours)]
    verdict = "met" if met else "**not met**"
    return f"| word error rate on the acceptance set | {shown[0]} | {shown[1]} | no worse | {verdict} |"


def _hearing(heard: hearing.Figures) -> str:
    lines = [
        "\n### How well it hears\n",
        f"{heard.sentences} sentences of the acceptance tests, spoken by the embedded voices; the same recordings for",
        "both, one at a time. The peers' Whisper is told the language, voicebus finds it out.\n",
        "| | English | Portuguese | seconds a sentence |\n|---|---|---|---|",
    ]
    for name, each in (("voicebus", heard.voicebus), ("faster-whisper as the peers run it", heard.peers)):
        lines.append(f"| {name} | {each.english:.3f} | {each.portuguese:.3f} | {each.seconds:.2f} |")
    return "\n".join(lines)
