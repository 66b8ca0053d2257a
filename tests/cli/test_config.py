"""`voicebus config` and `voicebus doctor`: what is in force, and what to do about what is missing."""

import json
from pathlib import Path

from services.cli import ports
from tests.cli.commands import run


def test_config_shows_every_engine_and_why(tmp_path: Path) -> None:
    done = run(
        tmp_path, "config", STT_ENGINE="", LLM_ENGINE="", LLAMA_ENDPOINT="http://gpu:11434", TTS_ENGINE="scripted"
    )

    assert done.returncode == 0, done.stderr
    assert "stt runs faster-whisper" in done.stdout
    assert "llm runs ollama: LLM_ENGINE is unset and LLAMA_ENDPOINT=http://gpu:11434" in done.stdout
    assert "tts runs scripted: TTS_ENGINE=scripted" in done.stdout


def test_config_as_json_has_every_service_and_hides_secrets(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hush-hush\n")

    done = run(tmp_path, "config", "--json", NATS_TOKEN="not-for-you", NATS_PASSWORD_FILE=tmp_path / "password")

    shown = json.loads(done.stdout)
    assert set(shown["settings"]) == {"up", "setup", "edge", "stt", "llm", "tts"}
    assert shown["settings"]["edge"]["NATS_TOKEN"] == "***"
    assert shown["settings"]["edge"]["NATS_PASSWORD"] == "***"
    assert "not-for-you" not in done.stdout
    assert "hush-hush" not in done.stdout


def test_config_reads_the_env_file_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("WHISPER_MODEL=small\n")

    shown = json.loads(run(tmp_path, "config", "--json").stdout)

    assert shown["settings"]["stt"]["WHISPER_MODEL"] == "small"


def test_config_names_every_bad_setting_and_exits_with_2(tmp_path: Path) -> None:
    done = run(tmp_path, "config", STT_ENGINE="magic", TTS_CONCURRENCY="0")

    assert done.returncode == 2
    assert done.stdout == ""
    assert "STT_ENGINE" in done.stderr
    assert "TTS_CONCURRENCY" in done.stderr


def test_config_says_what_up_chooses_for_the_machine_and_why(tmp_path: Path) -> None:
    done = run(tmp_path, "config", CORES=16, STT_CONCURRENCY=3)

    assert "up plans for 16 cores (CORES=16):" in done.stdout
    assert "TTS_CONCURRENCY=8" in " ".join(done.stdout.split())
    assert "STT_CONCURRENCY=16" not in done.stdout


def findings(folder: Path, **settings: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = run(folder, "doctor", "--json", given=b"", **settings)
    return done.returncode, {finding["what"]: finding for finding in json.loads(done.stdout)}


def test_doctor_is_content_where_all_is_there(tmp_path: Path) -> None:
    code, found = findings(tmp_path)

    assert code == 0, found
    assert {finding["state"] for finding in found.values()} == {"ok"}
    assert set(found) == {"python", "settings", "nats-server", "NATS_PORT", "PORT", "disk", "stt", "llm", "tts"}


def test_doctor_says_what_to_do_about_each_thing_that_is_missing(tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{ports.free()}"
    code, found = findings(
        tmp_path,
        NATS_URL=f"nats://{nowhere}",
        LLM_ENGINE="",
        LLAMA_ENDPOINT=f"http://{nowhere}",
        LLAMA_MODEL="llama3",
        VOICE_NAME="nobody",
    )

    assert code == 1
    assert "set NATS_URL" in found["broker"]["says"]
    assert "LLAMA_ENDPOINT" in found["llm"]["says"]
    assert "nobody" in found["tts"]["says"]
    assert {found[name]["state"] for name in ("broker", "llm", "tts")} == {"missing"}
    assert found["stt"]["state"] == "ok"


def test_doctor_looks_at_the_streams_and_the_clock_of_a_real_broker(tmp_path: Path, broker_url: str) -> None:
    run(tmp_path, "setup", NATS_URL=broker_url)

    code, found = findings(tmp_path, NATS_URL=broker_url)

    assert code == 0, found
    assert found["streams"]["state"] == "ok"
    assert "s ahead of" in found["clock"]["says"] or "s behind" in found["clock"]["says"]


def test_doctor_tells_bad_settings_and_goes_no_further(tmp_path: Path) -> None:
    code, found = findings(tmp_path, PORT="eight")

    assert code == 1
    assert found["settings"]["state"] == "missing"
    assert "stt" not in found
