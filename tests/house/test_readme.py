"""What the READMEs and the pages of docs/ say is true: files, commands and the program in them."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli import arguments
from tests.acceptance import pipeline

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, PORTUGUESE = ROOT / "README.md", ROOT / "README.pt-BR.md"
PAGES = [
    ENGLISH,
    PORTUGUESE,
    ROOT / "audios" / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "bus_schemas" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "docs" / "clients" / "README.md",
]

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
QUOTED = re.compile(r"`([^`\n]+)`")
FILE = re.compile(r"[\w.-]+(?:/[\w.-]+)*\.(?:py|md|toml|wav|mjs|lock|svg)|(?:[\w.-]+/)+")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:\w+=\S+ )*(voicebus|make) ([a-z-]+)", re.MULTILINE)
MADE_BY_A_RUN = {"question.wav", "reply.wav", "reply-1.wav", "reply-2.wav", "name.wav", "maria.wav"}
MADE_WHEN_USED = {"nats/", "logs/", "node_modules/"}

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, kind: str) -> list[str]:
    """The code blocks of a page, of one language."""
    return [body for language, body in BLOCK.findall(page.read_text("utf-8")) if language == kind]


def named_files(page: Path) -> Iterator[str]:
    """Every file and folder that a page names in backquotes, and those of its commands."""
    text = page.read_text("utf-8")
    yield from (name for name in QUOTED.findall(BLOCK.sub("", text)) if FILE.fullmatch(name))
    for command in blocks(page, "sh"):
        yield from (word for word in command.split() if FILE.fullmatch(word))


def exists(name: str, page: Path) -> bool:
    """Whether there is such a file: from the root, beside the page, or by its path's end in the code."""
    if (ROOT / name).exists() or (page.parent / name).exists():
        return True
    return any(path.exists() for folder in ("services", "docs", "bus_schemas") for path in (ROOT / folder).rglob(name))


@pages
def test_every_link_leads_to_a_file(page: Path) -> None:
    """Links to other sites are not followed."""
    assert [link for link in LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()] == []


@pages
def test_every_file_that_is_named_is_there(page: Path) -> None:
    """A renamed file is renamed in the pages too."""
    names = set(named_files(page)) - MADE_BY_A_RUN - MADE_WHEN_USED
    assert sorted(name for name in names if not exists(name, page)) == []


@pages
def test_every_command_that_is_named_is_one(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`voicebus up` and the like are words of the parser, `make demo` and the like are targets."""
    text = page.read_text("utf-8")
    commands = set(COMMAND.findall("\n".join([*blocks(page, "sh"), *QUOTED.findall(BLOCK.sub("", text))])))
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert {word for program, word in commands if program == "make"} <= set(targets)
    for word in sorted(word for program, word in commands if program == "voicebus"):
        with pytest.raises(SystemExit) as ended:
            arguments.parse([word, "--help"])
        assert ended.value.code == 0, f"voicebus {word}: {capsys.readouterr().err}"


@pages
def test_every_command_line_is_understood(page: Path) -> None:
    """With its options, as it stands there."""
    lines = "\n".join(blocks(page, "sh")).splitlines()
    for line in [line for line in lines if line.startswith("voicebus ")]:
        arguments.parse(shlex.split(line, comments=True)[1:])


def test_both_languages_say_the_same() -> None:
    """The same commands, the same programs, and the same headings, tables and codes, counted."""
    for kind in ("sh", "python"):
        english, portuguese = (
            [without_comments(block) for block in blocks(page, kind)] for page in (ENGLISH, PORTUGUESE)
        )
        assert english == portuguese
    for mark in (r"^#+ ", r"^\|", r"^\d\. ", r"^- ", r"`refused\.\w+`"):
        counts = [len(re.findall(mark, page.read_text("utf-8"), re.MULTILINE)) for page in (ENGLISH, PORTUGUESE)]
        assert counts[0] == counts[1], f"{mark}: {counts}"


def without_comments(block: str) -> str:
    """A block without what it says to a reader, which is translated."""
    return re.sub(r"\s+#.*$", "", block, flags=re.MULTILINE)


def test_the_first_lines_are_what_it_is_and_two_commands() -> None:
    """Within the first screen."""
    for page in (ENGLISH, PORTUGUESE):
        first = "\n".join(page.read_text("utf-8").splitlines()[:8])
        assert "make demo" in first, page.name
        assert "make test" in first, page.name


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pipeline.Pipeline]:
    """`voicebus up` without models."""
    with pipeline.running(tmp_path_factory.mktemp("up"), pipeline.SCRIPTED) as running:
        yield running


def run(page: Path, up: pipeline.Pipeline, folder: Path) -> str:
    """Run the first program of a page, with only the addresses changed; what it prints."""
    program = blocks(page, "python")[0]
    program = program.replace("ws://127.0.0.1:8000/ws", up.url).replace("nats://127.0.0.1:4222", up.nats_url)
    assert program != blocks(page, "python")[0]
    (folder / "audios").symlink_to(ROOT / "audios")
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


@pytest.mark.timeout(180)
def test_the_program_of_the_readme_is_answered(up: pipeline.Pipeline, tmp_path: Path) -> None:
    """It prints both texts and writes the reply."""
    assert "What is the capital of France?" in run(ENGLISH, up, tmp_path)
    assert (tmp_path / "reply.wav").read_bytes()[:4] == b"RIFF"
