"""The settings of every service: what `up` checks before it starts anything, and what `config` shows."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import cast

from msgspec import Struct

from services.edge.settings import EdgeSettings
from services.llm.settings import LlmSettings
from services.runtime import settings
from services.runtime.errors import SettingsError
from services.runtime.streams import StreamSettings
from services.stt.settings import SttSettings
from services.tts.settings import TtsSettings

from .settings import CliSettings

OWN = "up"
LIKENESS = 0.85
"""Of two names of 10 letters one may be wrong, or two stand the wrong way round."""
OTHERS = frozenset({"HOSTNAME", "VOICEBUS_IMAGE", "VOICEBUS_TAG", "NATS_TAG", "OLLAMA_TAG"})
"""Names that others read."""
KINDS: dict[str, type[Struct]] = {
    OWN: CliSettings,
    "setup": StreamSettings,
    "edge": EdgeSettings,
    "stt": SttSettings,
    "llm": LlmSettings,
    "tts": TtsSettings,
}


def load(environ: Mapping[str, str] | None = None) -> dict[str, Struct]:
    """Read the settings of all.

    Raises: SettingsError, naming every bad variable of any of them once.
    """
    found: dict[str, Struct] = {}
    problems: dict[str, None] = {}
    for name, kind in KINDS.items():
        try:
            found[name] = settings.load(kind, environ)
        except SettingsError as error:
            problems |= dict.fromkeys(str(error).splitlines())
    if problems:
        raise SettingsError("\n".join(problems))
    return found


def misspelt(environ: Mapping[str, str]) -> Iterator[str]:
    """Names that are none of ours and nearly one that is, each with that one: a setting that nobody reads."""
    known = {name for kind in KINDS.values() for name in settings.variables(kind)}
    for name in sorted(environ):
        if name.removesuffix("_FILE") in known or name in OTHERS:
            continue
        likely = get_close_matches(name.removesuffix("_FILE"), known, n=1, cutoff=LIKENESS)
        if likely:
            yield f"{name} is no setting of voicebus: is it {likely[0]}?"


def load_own() -> CliSettings:
    """The command's own settings, once those of all services are known to be good.

    Raises: SettingsError.
    """
    return cast(CliSettings, load()[OWN])
