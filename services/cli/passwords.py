"""`voicebus passwords`: a password for each role of deploy/nats/nats.conf, made once, each in a folder of its own."""

import argparse
import os
import secrets
from pathlib import Path

from services.runtime.errors import StartError

from . import console

PLACES = {
    "setup": "setup/password",
    "edge": "edge/password",
    "stt": "stt/password",
    "llm": "llm/password",
    "tts": "tts/password",
    "operator": "people/operator",
    "observer": "people/observer",
    "kiosk": "people/kiosk",
    "route": "nats/route",
}
"""Where each role's password lies. A role's folder is all that its container is given; `route` is the brokers' own."""
BROKERS = "nats/nats.env"
"""All of them, as the environment that the broker reads."""


def run(words: argparse.Namespace) -> int:
    """Make what is missing under the folder, and keep what is there. Raises: StartError."""
    folder: Path = words.folder
    try:
        passwords = {role: _password(folder / place) for role, place in PLACES.items()}
        lines = (f"NATS_{role.upper()}_PASSWORD={password}\n" for role, password in passwords.items())
        _write(folder / BROKERS, "".join(lines))
    except OSError as error:
        raise StartError(f"no password can be kept in {folder}: {error}; give its owner the right to write") from error
    console.say(f"each role of the broker has its password in {folder}")
    return 0


def _password(path: Path) -> str:
    if path.exists() and (kept := path.read_text(encoding="utf-8").strip()):
        return kept
    made = "p" + secrets.token_hex(24)  # a letter first: the broker reads a value as a word, not as a number
    _write(path, made + "\n")
    return made


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and for nobody else to read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    unfinished.replace(path)
