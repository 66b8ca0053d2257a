"""Names for a run of a handler and for a turn: a later one sorts later."""

import re
import secrets
import time

_FRESH = re.compile(r"([0-9a-f]{11})-[0-9a-f]{10}")


def made_at(name: str) -> float | None:
    """When `fresh` made a name, seconds since 1970; None for a name that it did not make."""
    found = _FRESH.fullmatch(name)
    return int(found[1], 16) / 1000 if found else None


def fresh(milliseconds: int | None = None) -> str:
    """Milliseconds since 1970 in 11 hexadecimal digits, then 40 random bits: `0193f0a1b2c-9f8e7d6c5b`."""
    return f"{milliseconds if milliseconds is not None else time.time_ns() // 1_000_000:011x}-{secrets.token_hex(5)}"
