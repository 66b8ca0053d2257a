"""The tutorial, followed word by word: its commands in their order, with engines that need no model."""

import os
import re
import shlex
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli import commands
from tests.cli.commands import ROOT, Started

PAGES = [ROOT / "docs" / name for name in ("tutorial.md", "tutorial.pt-BR.md")]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ELSEWHERE = ("DEMO_ONCE=1 make demo", ". .venv/bin/activate")
"""CI runs these on a bare machine."""


def blocks(page: Path) -> list[tuple[str, str]]:
    """Every block of a page: what it is, and its text."""
    return BLOCK.findall(page.read_text("utf-8"))


def test_both_languages_have_the_same_commands_and_the_same_output() -> None:
    """And as many sections."""
    english, portuguese = PAGES
    assert blocks(english) == blocks(portuguese)
    headings = [re.findall(r"^#+ ", page.read_text("utf-8"), re.MULTILINE) for page in PAGES]
    assert headings[0] == headings[1]


def run(line: str, up: Started, checkout: Path) -> str:
    """Run a line of the page against what is up, and nothing else; what it printed."""
    line = line.replace("nats://127.0.0.1:4222", f"nats://127.0.0.1:{up.env['NATS_PORT']}")
    line = re.sub(r"pkill -KILL -f (services\.\w+)", lambda found: f"kill -KILL {up.one(found[1])}", line)
    env = {**up.env, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", line], cwd=checkout, env=env, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.timeout(240)
def test_a_reader_who_follows_the_tutorial_gets_what_it_says(tmp_path: Path) -> None:
    """Every question is answered, also the one whose model is killed; the other engine says what it was told to."""
    for name in ("audios", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    told: dict[str, str] = {}
    with ExitStack() as stack:
        for number, line in enumerate(
            line for kind, text in blocks(PAGES[0]) if kind == "sh" for line in text.splitlines()
        ):
            if line in ELSEWHERE:
                continue
            if line.endswith("voicebus up"):
                stack.close()
                settings = dict(word.split("=", 1) for word in shlex.split(line) if "=" in word)
                up = stack.enter_context(commands.started(tmp_path / str(number), "up", **settings))
                up.until_ready()
            else:
                told[line] = run(line, up, tmp_path)
    for line, output in told.items():
        assert "One sentence. And another." in output or "nothing to add" in output or "config" in line, (line, output)
    assert "And I have nothing to add." in told["voicebus say audios/question.wav"], "the same question, asked last"
