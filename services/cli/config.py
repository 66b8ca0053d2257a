"""`voicebus config`: the settings in force, secrets masked, and which engines run and why."""

import argparse
from collections.abc import Mapping
from typing import cast

import msgspec
from msgspec import Struct
from rich.markup import escape

from services.llm import settings as llm
from services.runtime import settings
from services.stt import settings as stt
from services.tts import settings as tts

from . import console, everything, machine
from .settings import CliSettings

LONGEST_VALUE = 100
"""Characters that are shown; `--json` has the rest."""


class Engine(Struct, frozen=True):
    """Which engine a stage runs."""

    engine: str
    why: str


class Machine(Struct, frozen=True):
    """What `up` plans for, and what follows where nobody has set it."""

    cores: int
    why: str
    follows: dict[str, str]


def run(words: argparse.Namespace) -> int:
    """Print what is in force.

    Raises: SettingsError.
    """
    loaded = everything.load()
    engines = chosen(loaded)
    plan = planned(cast(CliSettings, loaded[everything.OWN]))
    values = {name: dict(settings.describe(each)) for name, each in loaded.items()}
    if words.json:
        print(msgspec.json.encode({"engines": engines, "machine": plan, "settings": values}).decode())  # noqa: T201
    else:
        _draw(engines, plan, values)
    return 0


def planned(own: CliSettings) -> Machine:
    """What `up` chooses for this machine."""
    cores, why = machine.cores(own.cores)
    return Machine(cores, why, machine.chosen(cores, settings.environment()))


def chosen(loaded: Mapping[str, Struct]) -> dict[str, Engine]:
    """The engine of each stage, and why it is this one."""
    return {
        "stt": Engine(*stt.engine(cast(stt.SttSettings, loaded["stt"]))),
        "llm": Engine(*llm.engine(cast(llm.LlmSettings, loaded["llm"]))),
        "tts": Engine(*tts.engine(cast(tts.TtsSettings, loaded["tts"]))),
    }


def _draw(engines: Mapping[str, Engine], plan: Machine, values: Mapping[str, Mapping[str, str]]) -> None:
    out = console.stdout()
    for name, engine in engines.items():
        out.print(f"[bold]{name}[/] runs [bold]{escape(engine.engine)}[/]: {escape(engine.why)}")
    numbers = " ".join(f"{name}={number}" for name, number in plan.follows.items()) or "nothing: all is set"
    out.print(f"[bold]up[/] plans for [bold]{plan.cores}[/] cores ({escape(plan.why)}): {numbers}")
    here = settings.environment()
    width = max(len(variable) for variables in values.values() for variable in variables)
    for misspelt in everything.misspelt(here):
        out.print(f"[bold yellow]![/] {escape(console.safe(misspelt))}")
    told: set[str] = set()
    for name, variables in values.items():
        out.print(f"\n[bold]{name}[/]")
        for variable in [each for each in variables if each not in told]:
            style = "bold" if here.get(variable) or here.get(f"{variable}_FILE") else "dim"
            out.print(f"  [{style}]{variable:<{width}}[/]  {escape(_short(variables[variable]))}")
        told |= variables.keys()
    out.print("\n[dim]Bold names are set in the environment or in .env; the others have their defaults.[/]")


def _short(value: str) -> str:
    line = " ".join(value.split())
    return line if len(line) <= LONGEST_VALUE else f"{line[:LONGEST_VALUE]}…"
