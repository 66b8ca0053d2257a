"""Settings come from the environment, and every bad one is told at once."""

from pathlib import Path

import pytest
from msgspec import Struct

from services.runtime import settings
from services.runtime.errors import SettingsError
from services.runtime.settings import Port, Positive, Secret


class Inner(Struct, frozen=True):
    nats_password: Secret = ""
    max_deliveries: Positive = 5


class Outer(Struct, frozen=True):
    inner: Inner = Inner()
    port: Port = 8000
    debug_mode: bool = False
    voice_name: str = "man"


def test_a_variable_is_the_fields_name_in_capitals() -> None:
    loaded = settings.load(Outer, {"PORT": "9000", "DEBUG_MODE": "true", "MAX_DELIVERIES": "2"})

    assert (loaded.port, loaded.debug_mode, loaded.inner.max_deliveries) == (9000, True, 2)


def test_an_empty_variable_counts_as_unset() -> None:
    assert settings.load(Outer, {"PORT": ""}).port == 8000


def test_every_bad_setting_is_told_at_once_with_its_name_and_value() -> None:
    with pytest.raises(SettingsError) as told:
        settings.load(Outer, {"PORT": "http", "MAX_DELIVERIES": "0", "DEBUG_MODE": "perhaps"})

    lines = str(told.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["MAX_DELIVERIES", "PORT", "DEBUG_MODE"]
    assert "'http'" in lines[1]


def test_a_secret_can_be_in_a_file_and_is_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hush\n")
    loaded = settings.load(Outer, {"NATS_PASSWORD_FILE": str(secret)})

    assert loaded.inner.nats_password == "hush"
    assert dict(settings.describe(loaded))["NATS_PASSWORD"] == "***"


def test_a_secret_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="NATS_PASSWORD"):
        settings.load(Outer, {"NATS_PASSWORD_FILE": str(tmp_path / "nowhere")})


def test_the_environment_wins_over_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("PORT=1\nVOICE_NAME=woman\n")
    monkeypatch.setenv("PORT", "2")
    monkeypatch.delenv("VOICE_NAME", raising=False)
    found = settings.environment(tmp_path)

    assert (found["PORT"], found["VOICE_NAME"]) == ("2", "woman")


def test_every_variable_of_a_service_can_be_listed() -> None:
    assert list(settings.variables(Outer)) == ["NATS_PASSWORD", "MAX_DELIVERIES", "PORT", "DEBUG_MODE", "VOICE_NAME"]


def test_a_password_in_an_address_is_never_shown() -> None:
    loaded = settings.load(Outer, {"VOICE_NAME": "nats://me:hush@broker:4222"})

    assert dict(settings.describe(loaded))["VOICE_NAME"] == "nats://***@broker:4222"


def test_a_secret_file_that_is_empty_is_an_error_and_not_no_secret(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("\n")
    with pytest.raises(SettingsError, match="NATS_PASSWORD: the file that it names is empty"):
        settings.load(Outer, {"NATS_PASSWORD_FILE": str(tmp_path / "password")})
