"""The clients in each language, in a folder of the test's own."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests import programs
from tests.programs import Ended
from tests.publishing import languages
from tests.publishing.languages import JAVASCRIPT
from tests.publishing.scripts import tone

Ask = Callable[..., Awaitable[Ended]]


@pytest.fixture(scope="session")
def node() -> str:
    """The `node` to run JavaScript with."""
    return programs.modules(JAVASCRIPT)


@pytest.fixture
def javascript(node: str, tmp_path: Path) -> Path:
    """A folder in which a JavaScript program finds the modules of the clients."""
    (tmp_path / "node_modules").symlink_to(JAVASCRIPT / "node_modules")
    return tmp_path


@pytest.fixture(params=languages.LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    """Each language that there are clients in, and that this machine can run."""
    languages.require(request.param)
    return str(request.param)


@pytest.fixture
def client(language: str, tmp_path: Path) -> Ask:
    """Run a client of this language: `await client("ask", url, ...)`; its files are in `tmp_path`."""

    async def run(program: str, *words: str) -> Ended:
        path = languages.source(language, program)
        start = await asyncio.to_thread(languages.command, language, path, tmp_path)
        return await programs.run([*start, *words], tmp_path)

    return run


@pytest.fixture
def ask(client: Ask) -> Ask:
    """Ask over NATS: `await ask(nats_url, wav, session)`."""

    async def run(nats_url: str, wav: Path, session: str = "42") -> Ended:
        return await client("publish", nats_url, str(wav), "kiosk-7", session)

    return run


@pytest.fixture
def question(tmp_path: Path) -> Path:
    """A spoken question."""
    path = tmp_path / "question.wav"
    path.write_bytes(tone(1.0))
    return path
