"""`voicebus doctor`: what is installed, reachable and loadable, and what to do about what is not."""

import argparse
import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import cast

import msgspec
import structlog
from msgspec import Struct
from rich.markup import escape

from services.edge.settings import EdgeSettings
from services.llm.settings import LlmSettings
from services.runtime import settings
from services.runtime.errors import SettingsError
from services.runtime.streams import StreamSettings
from services.stt.settings import SttSettings
from services.tts.settings import TtsSettings

from . import broker_checks, checks, config, console, everything
from .checks import Finding
from .settings import CliSettings

MARKS = {"ok": "[green]✓[/]", "warning": "[yellow]![/]", "missing": "[red]✗[/]"}
SILENT = 50
"""The log's highest level: what an engine logs while it loads would be told twice."""


def run(words: argparse.Namespace) -> int:
    """Look at everything; 1 when something that is needed is missing."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(SILENT))
    findings = asyncio.run(_all())
    if words.json:
        print(msgspec.json.encode(findings).decode())  # noqa: T201 - the command's result
    else:
        _draw(findings)
    return 1 if any(finding.state == "missing" for finding in findings) else 0


async def _all() -> list[Finding]:
    findings = [checks.python()]
    try:
        loaded = everything.load()
    except SettingsError as error:
        return [*findings, *(Finding("settings", "missing", line) for line in str(error).splitlines())]
    findings.append(Finding("settings", "ok", "all can be read"))
    findings += [Finding("settings", "warning", told) for told in everything.misspelt(settings.environment())]
    findings += await asyncio.to_thread(checks.services, cast(EdgeSettings, loaded["edge"]))
    return [*findings, *[finding async for finding in _looked(loaded)]]


async def _looked(loaded: Mapping[str, Struct]) -> AsyncIterator[Finding]:
    up, limits = cast(CliSettings, loaded["up"]), cast(StreamSettings, loaded["setup"])
    with console.waiting("looking at the broker"):
        if up.nats_url:
            for finding in await broker_checks.look(cast(EdgeSettings, loaded["edge"]).runtime.bus, limits):
                yield finding
        else:
            yield await checks.broker_program()
            yield await checks.port("NATS_PORT", up.nats_port)
            yield checks.disk(up, limits)
        yield await checks.port("PORT", up.port, tls=bool(up.tls_cert))
    engines = config.chosen(loaded)
    for name, looking in (
        ("stt", checks.stt(cast(SttSettings, loaded["stt"]))),
        ("llm", checks.llm(cast(LlmSettings, loaded["llm"]))),
        ("tts", checks.tts(cast(TtsSettings, loaded["tts"]))),
    ):
        with console.waiting(f"loading {name}'s engine"):
            found = await looking
        engine = engines[name]
        yield msgspec.structs.replace(found, says=f"{engine.engine} ({engine.why}): {found.says}")


def _draw(findings: list[Finding]) -> None:
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        console.stdout().print(f"{MARKS[finding.state]} [bold]{finding.what:<{width}}[/]  {escape(finding.says)}")
