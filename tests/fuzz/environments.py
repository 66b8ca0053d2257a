"""Settings set by chance, and what reading them may do: give settings that can be shown, or name what is wrong."""

from random import Random

from services.cli import everything
from services.runtime import settings
from services.runtime.errors import SettingsError

NAMES = sorted({name for kind in everything.KINDS.values() for name in settings.variables(kind)})
NUMBERS = ("0", "1", "-1", "1.5", "nan", "inf", "-inf", "1e999", "9" * 400, "0x10", "1_000")
TEXTS = ("", " ", "true", "TRUE", "yes", "null", "[]", "{}", '"', "pt,en", "scripted", "https://[", "../..", "%s")
ODD = ("\x00", "\ud800", "é", "\n", "a" * 100_000)
VALUES = NUMBERS + TEXTS + ODD
FILES = ("/nonexistent", "/", "/dev/null", "\x00", "a" * 5_000)


def hostile(chance: Random) -> dict[str, str]:
    """A few variables with values nobody should set."""
    chosen = {name: chance.choice(VALUES) for name in chance.sample(NAMES, chance.randint(1, 3))}
    if chance.random() < 0.2:
        chosen[f"{chance.choice(NAMES)}_FILE"] = chance.choice(FILES)
    return chosen


def check(environ: dict[str, str]) -> str:
    """Read the settings of all services; returns `settings` or `refused`."""
    try:
        found = everything.load(environ)
    except SettingsError as error:
        named = [line.split(":")[0] for line in str(error).splitlines()]
        assert {name for name in named if name in NAMES}
        return "refused"
    assert all(isinstance(value, str) for kind in found.values() for _, value in settings.describe(kind))
    return "settings"
