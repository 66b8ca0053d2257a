"""What a container of voicebus runs beside its service: `voicebus ready` and `voicebus passwords`."""

import asyncio
from argparse import Namespace
from pathlib import Path

from services.cli import passwords
from services.runtime import health
from services.runtime.health import Readiness
from tests.cli.commands import run


async def test_ready_tells_what_a_worker_waits_for_and_exits_with_1_until_it_is_there(tmp_path: Path) -> None:
    readiness = Readiness()
    readiness.lack("engine", "loading")
    async with health.listen("127.0.0.1", 0, readiness) as port:
        waiting = await asyncio.to_thread(run, tmp_path, "ready", HEALTH_PORT=port)
        readiness.have("engine")
        ready = await asyncio.to_thread(run, tmp_path, "ready", "edge", PORT=port)

    assert (waiting.returncode, waiting.stderr.strip()) == (1, "engine: loading")
    assert (ready.returncode, ready.stderr.strip()) == (0, "ready")


def test_every_role_has_a_password_of_its_own_that_a_second_run_keeps(tmp_path: Path) -> None:
    passwords.run(Namespace(folder=tmp_path))
    made = {role: (tmp_path / place).read_text() for role, place in passwords.PLACES.items()}
    passwords.run(Namespace(folder=tmp_path))

    assert len(set(made.values())) == len(made)
    assert {role: (tmp_path / place).read_text() for role, place in passwords.PLACES.items()} == made
    for role, password in made.items():
        assert f"NATS_{role.upper()}_PASSWORD={password}" in (tmp_path / passwords.BROKERS).read_text()


def test_nobody_else_can_read_a_password(tmp_path: Path) -> None:
    passwords.run(Namespace(folder=tmp_path))

    for place in (*passwords.PLACES.values(), passwords.BROKERS):
        assert (tmp_path / place).stat().st_mode & 0o777 == 0o600


def test_the_broker_s_own_files_name_exactly_these_roles() -> None:
    folder = Path(__file__).parents[2] / "deploy" / "nats"
    conf = (folder / "nats.conf").read_text() + (folder / "cluster.conf").read_text()

    for role in passwords.PLACES:
        assert f"$NATS_{role.upper()}_PASSWORD" in conf
