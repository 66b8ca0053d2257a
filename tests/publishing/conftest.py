"""The examples in each language, in a folder of the test's own."""

import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests import programs
from tests.programs import Ended
from tests.publishing.scripts import tone
from tests.publishing.stages import ROOT

EXAMPLES = ROOT / "docs" / "examples"

Ask = Callable[..., Awaitable[Ended]]


@pytest.fixture(scope="session")
def node() -> str:
    """The `node` to run JavaScript with."""
    return programs.modules(EXAMPLES)


@pytest.fixture
def javascript(node: str, tmp_path: Path) -> Path:
    """A folder in which a JavaScript program finds the modules of the examples."""
    (tmp_path / "node_modules").symlink_to(EXAMPLES / "node_modules")
    return tmp_path


@pytest.fixture(params=["python", "javascript"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Ask:
    """Run the example in this language: `await ask(nats_url, wav, session)`; its files are in `tmp_path`."""
    if request.param == "python":
        program, start = "publish.py", [sys.executable]
    else:
        program, start = "publish.mjs", [request.getfixturevalue("node")]
        request.getfixturevalue("javascript")
    shutil.copy(EXAMPLES / program, tmp_path)

    async def run(nats_url: str, wav: Path, session: str = "42") -> Ended:
        return await programs.run([*start, program, nats_url, str(wav), "kiosk-7", session], tmp_path)

    return run


@pytest.fixture
def question(tmp_path: Path) -> Path:
    """A spoken question."""
    path = tmp_path / "question.wav"
    path.write_bytes(tone(1.0))
    return path
