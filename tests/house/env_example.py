"""Writes .env.example from the settings themselves: `python -m tests.house.env_example`."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import fields

from services.cli import everything
from services.cli.docstrings import of_fields
from services.runtime import settings
from services.runtime.serve import RuntimeSettings


class ComposeSettings(Struct, frozen=True):
    """What docker-compose.yml itself reads, beside the settings of the services."""

    publish_address: str = "127.0.0.1"
    """The address of this machine where others reach the edge; 0.0.0.0: from everywhere. Set API_KEYS first."""
    voicebus_image: str = "voicebus"
    """The name of the images; one of a registry, such as docker.io/somebody/voicebus, is pulled instead of built."""
    voicebus_tag: str = "latest"
    """The version in the images' tags: latest stands for latest-edge, latest-stt and so on."""
    nats_tag: str = "2.15-alpine"
    """The tag of the broker's image."""
    ollama_tag: str = "0.20.3"
    """The tag of Ollama's image."""
    prometheus_tag: str = "v3.5.0"
    """deploy/compose.observability.yml: the tag of Prometheus's image."""
    prometheus_port: str = "9090"
    """deploy/compose.observability.yml: where Prometheus is, on this machine's loopback."""
    grafana_tag: str = "12.1.1"
    """deploy/compose.observability.yml: the tag of Grafana's image."""
    grafana_port: str = "3000"
    """deploy/compose.observability.yml: where Grafana is, on this machine's loopback."""
    jaeger_tag: str = "2.10.0"
    """deploy/compose.observability.yml: the tag of Jaeger's image."""
    jaeger_port: str = "16686"
    """deploy/compose.observability.yml: where Jaeger is, on this machine's loopback."""


PATH = Path(__file__).resolve().parents[2] / ".env.example"
WIDTH = 118
HEAD = """\
# Every setting of voicebus, with its default. Copy this file to .env and take the # from what you change; a variable of
# the environment goes before a line of .env, an empty one counts as unset, and NAME_FILE=/path reads NAME from a file.
# `voicebus config` shows what is in force. (This text is written by `python -m tests.house.env_example`.)
"""
KNOWN = "The names of the program before voicebus"
OLD_NAMES = ("PORT", "LLAMA_MODEL", "LLAMA_ENDPOINT", "WHISPER_MODEL", "WHISPER_DEVICE", "DEBUG_MODE", "VOICE_NAME")
KINDS: tuple[type[Struct], ...] = (*everything.KINDS.values(), RuntimeSettings, ComposeSettings)
SECTIONS: tuple[tuple[str, type[Struct]], ...] = (
    ("voicebus up, demo and say", everything.KINDS["up"]),
    ("Every service: the broker, logs, health, work", RuntimeSettings),
    ("edge: the WebSocket", everything.KINDS["edge"]),
    ("stt: speech to text", everything.KINDS["stt"]),
    ("llm: the language model", everything.KINDS["llm"]),
    ("tts: text to speech", everything.KINDS["tts"]),
    ("docker-compose.yml", ComposeSettings),
    ("voicebus setup: the streams (up and demo make them too)", everything.KINDS["setup"]),
)


def text() -> str:
    """What .env.example has to say."""
    written: set[str] = set()
    parts = [HEAD, *_section(KNOWN, OLD_NAMES, written)]
    for title, kind in SECTIONS:
        parts += _section(title, tuple(settings.variables(kind)), written)
    return "\n".join(parts)


def defaults(name: str) -> list[str]:
    """The default of a variable in each struct that reads it, the command's first."""
    found = [dict(settings.describe(kind())).get(name) for kind in KINDS]
    return ["" if value == "None" else value for value in found if value is not None]


def docstrings(kind: type[Struct]) -> Iterator[tuple[str, str]]:
    """Every variable that *kind* reads, with the text that stands under its field."""
    told = of_fields(kind)
    for field in fields(kind):
        if isinstance(field.type, type) and issubclass(field.type, Struct):
            yield from docstrings(field.type)
        else:
            yield field.name.upper(), told.get(field.name, "")


def _section(title: str, names: tuple[str, ...], written: set[str]) -> list[str]:
    explained = {name: said for _, kind in reversed(SECTIONS) for name, said in docstrings(kind)}
    lines = [f"# --- {title} ---\n"]
    for name in names:
        if name not in written:
            lines.append(_entry(name, explained[name]))
            written.add(name)
    return lines


def _entry(name: str, said: str) -> str:
    first, *others = dict.fromkeys(defaults(name))
    said += "".join(f" In a service that is started by itself: {other}." for other in others)
    comment = textwrap.fill(said, WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return f"{comment}\n#{name}={_quoted(first)}\n"


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value or "#" in value else value


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
