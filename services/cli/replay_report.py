"""What a replay tells: both answers side by side, word errors, and seconds stage by stage."""

from collections.abc import Mapping, Sequence
from statistics import median

import msgspec
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from . import console, word_errors
from .recorded_turns import Turn
from .replay_turn import Side

TIMES = {
    "stt": "stt",
    "llm_first": "llm, first sentence",
    "llm": "llm, all",
    "tts_first": "tts, first piece",
    "tts": "tts, all",
    "first_audio": "to the first audio",
    "speech": "length of the speech",
}
"""The rows of seconds, and what they are called."""
OF_STAGE = {"transcription": "stt", "reply": "llm", "speech": "tts"} | {
    name: name.split("_")[0] for name in ("stt", "llm_first", "llm", "tts_first", "tts")
}


class Compared(Struct, frozen=True):
    """One turn, both ways; what `--json` prints of it, but for its two sides."""

    turn: Turn
    recorded: Side
    replayed: Side
    word_error_rate: float | None
    """Of the new transcript against the recorded one; None where stt did not run again, or nothing was said."""
    error: str = ""
    """Why it came to nothing the second time."""
    audio: str = ""
    """The file of what was spoken the second time."""


def line(compared: Compared, runs: Mapping[str, Mapping[str, str]]) -> str:
    """One line of JSON."""
    turn = compared.turn
    told = {
        "turn": turn.turn,
        "origin": turn.origin,
        "session": turn.session,
        "engines": runs,
        "recorded": _side(compared.recorded),
        "replayed": _side(compared.replayed),
        "word_error_rate": compared.word_error_rate,
        "error": compared.error,
        "audio": compared.audio,
    }
    return msgspec.json.encode(told).decode()


def table(compared: Compared, runs: Mapping[str, Mapping[str, str]]) -> Table:
    """Both answers side by side; of what did not run again there is only one."""
    turn = compared.turn
    drawn = Table(
        title=Text(f"{turn.turn}  {turn.origin}  {turn.session}", "bold"),
        caption=Text(_engines(runs), "dim"),
        title_justify="left",
        caption_justify="left",
        header_style="bold",
    )
    drawn.add_column("", no_wrap=True, style="bold")
    drawn.add_column("recorded", overflow="fold", ratio=1)
    drawn.add_column("again", overflow="fold", ratio=1)
    for name, said in (("transcription", "you"), ("reply", "voicebus")):
        before, after = getattr(compared.recorded, name), getattr(compared.replayed, name)
        drawn.add_row(said, console.safe(before), _new(console.safe(after), runs, name))
    if compared.word_error_rate is not None:
        drawn.add_row("word error rate", "", _percent(compared.word_error_rate))
    drawn.add_section()
    for name, said in TIMES.items():
        before, after = getattr(compared.recorded, name), getattr(compared.replayed, name)
        if before is not None or after is not None:
            drawn.add_row(said, _seconds(before), _new(_seconds(after), runs, name))
    if compared.error:
        drawn.add_row("failed", "", Text(console.safe(compared.error), "red"))
    return drawn


def summary(compared: Sequence[Compared], runs: Mapping[str, Mapping[str, str]]) -> str:
    """All of them in a line: word errors together, medians of seconds."""
    whole = [one for one in compared if not one.error]
    failed = len(compared) - len(whole)
    parts = [f"{len(compared)} turns" + (f", {failed} failed" if failed else "")]
    said, heard = [one.recorded.transcription for one in whole], [one.replayed.transcription for one in whole]
    wrong = word_errors.rate(said, heard) if "stt" in runs else None
    if wrong is not None:
        parts.append(f"word error rate {_percent(wrong)}")
    for name in [*runs, "first_audio"]:
        before = _median([getattr(one.recorded, name) for one in whole])
        after = _median([getattr(one.replayed, name) for one in whole])
        parts.append(f"{TIMES[name].removesuffix(', all')} {before}, now {after}")
    return "; ".join(parts) + " (medians)"


def _side(side: Side) -> dict[str, object]:
    return {**msgspec.to_builtins(side), "first_audio": side.first_audio}


def _engines(runs: Mapping[str, Mapping[str, str]]) -> str:
    """`again: stt faster-whisper small cpu, tts embedded`."""
    return "again: " + ", ".join(" ".join((stage, *of.values())) for stage, of in runs.items())


def _new(text: str, runs: Mapping[str, Mapping[str, str]], name: str) -> Text:
    """What a stage made that ran again; what did not is as it was."""
    return Text(text) if name == "first_audio" or OF_STAGE[name] in runs else Text("as it was", "dim")


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"


def _median(seconds: Sequence[float | None]) -> str:
    known = [one for one in seconds if one is not None]
    return _seconds(median(known) if known else None)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
