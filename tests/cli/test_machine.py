"""What `voicebus up` makes of the machine it is on."""

import os
from pathlib import Path

import pytest

from services.cli import everything, machine
from services.runtime import settings


def test_two_cores_are_planned_as_measured() -> None:
    """The defaults of the services are those of two cores, so that one started by itself has the same."""
    numbers = {name: str(number) for name, number in machine.numbers(2).items()}
    assert numbers.items() <= defaults().items()


@pytest.mark.parametrize("cores", [1, 2, 3, 4, 16, 128])
def test_no_engine_has_more_threads_than_cores_and_more_cores_never_do_less(cores: int) -> None:
    few, more = machine.numbers(cores), machine.numbers(cores + 1)
    assert all(1 <= few[name] <= more[name] for name in few)
    assert max(few["STT_CONCURRENCY"], few["WHISPER_ENCODER_THREADS"], few["TTS_THREADS"]) <= cores


def test_every_number_is_a_setting_that_a_service_reads() -> None:
    assert machine.numbers(2).keys() <= defaults().keys()


def test_what_the_operator_sets_stays(tmp_path: Path) -> None:
    """An empty variable is unset, as everywhere."""
    chosen = machine.chosen(16, {"STT_CONCURRENCY": "1", "TTS_CONCURRENCY": "", "TTS_THREADS_FILE": str(tmp_path)})
    assert chosen == {"WHISPER_ENCODER_THREADS": "2", "TTS_CONCURRENCY": "8"}


@pytest.mark.parametrize("device", ["cuda", "auto"])
def test_cores_say_nothing_about_a_gpu(device: str) -> None:
    assert "STT_CONCURRENCY" not in machine.chosen(16, {"WHISPER_DEVICE": device})
    assert "STT_CONCURRENCY" in machine.chosen(16, {"WHISPER_DEVICE": "cpu"})


@pytest.mark.parametrize(("share", "cores"), [("100000 100000", 1), ("50000 100000", 1)])
def test_a_container_gets_its_share(tmp_path: Path, share: str, cores: int) -> None:
    """A share of one core is one, whatever the machine has."""
    (tmp_path / "cpu.max").write_text(f"{share}\n")
    assert machine.cores(0, tmp_path / "cpu.max")[0] == cores


def test_without_a_share_it_is_what_the_process_may_use(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("max 100000\n")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    assert machine.cores(0, tmp_path / "cpu.max")[0] == machine.cores(0, tmp_path / "none")[0] == usable
    assert machine.cores(7) == (7, "CORES=7")


def defaults() -> dict[str, str]:
    """Every variable of every service, with its default."""
    return {
        name: value for kind in everything.KINDS.values() for name, value in settings.describe(settings.load(kind, {}))
    }
