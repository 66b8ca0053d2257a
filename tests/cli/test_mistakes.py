"""What operators get wrong in settings is told in a sentence, by `config`, `doctor` and the services alike."""

import json
from pathlib import Path

import pytest

from services.cli import everything
from tests.cli.commands import run


def test_a_misspelt_name_is_told_with_the_likely_one(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LLAMA_ENDPIONT=http://localhost:11434\n")
    done = run(tmp_path, "config")
    assert "LLAMA_ENDPIONT is no setting of voicebus: is it LLAMA_ENDPOINT?" in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", ["PATH", "HOME", "HOSTNAME", "LANG", "NATS_PASSWORD_FILE", "MY_APP_PORT", "PWD"])
def test_names_of_others_are_not_taken_for_ours(name: str) -> None:
    assert list(everything.misspelt({name: "x"})) == []


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"NATS_URL": "nats://me:hush@broker:99999"}, "NATS_URL: server 1 has a port"),
        ({"STT_ENGINE": "whispr"}, "choose faster-whisper or scripted"),
    ],
)
def test_a_service_that_cannot_start_says_why_in_one_line(tmp_path: Path, settings: dict[str, str], told: str) -> None:
    done = run(tmp_path, "stt", **{"STT_ENGINE": "scripted", **settings})  # type: ignore[arg-type]
    assert done.returncode == 2
    assert told in done.stderr
    assert "hush" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"API_KEYS": "short"}, "API_KEYS: entry 1 is not"),
        ({"TLS_CERT": "/nowhere.pem"}, "TLS_CERT"),
        ({"TLS_KEY": "/nowhere.pem"}, "TLS_KEY: there is no TLS_CERT"),
        ({"NATS_URL": "http://broker"}, "NATS_URL: server 1 begins with http://"),
        ({"NATS_INBOX_PREFIX": "no subject"}, "NATS_INBOX_PREFIX"),
        ({"NATS_TLS_CA": "/nowhere.pem"}, "NATS_TLS_CA=/nowhere.pem"),
    ],
)
def test_doctor_finds_what_a_service_would_stop_at(tmp_path: Path, settings: dict[str, str], told: str) -> None:
    done = run(tmp_path, "doctor", "--json", **settings)  # type: ignore[arg-type]
    assert done.returncode == 1
    findings = json.loads(done.stdout)
    assert [finding for finding in findings if finding["state"] == "missing" and told in finding["says"]]


def test_an_address_that_this_machine_does_not_have_is_no_port_problem(tmp_path: Path) -> None:
    done = run(tmp_path, "up", HOST="203.0.113.7")
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("voicebus: HOST=203.0.113.7: nobody can listen there")


@pytest.mark.parametrize("name", ['qu"ote', "sp ace", "$dollar", "back\\slash", "ação"])
def test_a_folder_of_any_name_keeps_the_data(tmp_path: Path, name: str) -> None:
    """The broker's configuration has a syntax of its own."""
    done = run(tmp_path, "demo", VOICEBUS_DATA=str(tmp_path / name), DEMO_ONCE="1")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / name / "nats" / "streams").is_dir()
