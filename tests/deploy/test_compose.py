"""docker-compose.yml and what goes over it: valid, complete, held to .env.example and to the Dockerfile.

That the stack really comes up is tried by `make compose-test`.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from deploy import bootstrap
from services.cli import everything
from services.llm import settings as llm_settings
from services.llm.settings import LlmSettings
from services.stt.settings import SttSettings
from services.tts.settings import TtsSettings
from tests.compose.stack import OLD_ENV

ROOT = Path(__file__).parents[2]
BASE = ROOT / "docker-compose.yml"
OVERRIDES = sorted((ROOT / "deploy").glob("compose.*.yml"))
ONCE = {"passwords", "setup", "ollama-pull"}
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)")


class Tagged(yaml.SafeLoader):  # type: ignore[misc]
    """Knows Compose's own !reset and !override."""


for tag in ("!reset", "!override"):
    Tagged.add_constructor(tag, lambda loader, node: _plain(loader, node))


def _plain(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    return loader.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else None


def read(path: Path) -> dict[str, Any]:
    found = yaml.load(path.read_text(encoding="utf-8"), Tagged)
    assert isinstance(found, dict)
    return found


SERVICES: dict[str, dict[str, Any]] = read(BASE)["services"]
NAMES = sorted(SERVICES)


def test_the_file_is_what_the_compose_specification_allows() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(BASE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [BASE, *OVERRIDES], ids=lambda path: path.name)
def test_every_variable_is_explained_in_env_example(path: Path) -> None:
    explained = set(re.findall(r"^#(\w+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(VARIABLE.findall(path.read_text(encoding="utf-8"))) <= explained


def test_every_variable_of_env_example_for_compose_is_one_of_its_files() -> None:
    section = (ROOT / ".env.example").read_text("utf-8").split("--- docker-compose.yml ---")[1].split("\n# ---")[0]
    used = {name for path in (BASE, *OVERRIDES) for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}
    assert set(re.findall(r"^#(\w+)=", section, re.MULTILINE)) <= used


def test_what_a_service_is_given_is_a_setting_and_only_places_in_the_container_are_out_of_the_users_hands() -> None:
    """All of .env reaches every service of ours; these are what it cannot say."""
    settings = set(re.findall(r"^#(\w+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))
    ours = {name: service for name, service in SERVICES.items() if not name.startswith(("ollama", "nats"))}
    assert all(service["env_file"] == [{"path": ".env", "required": False}] for service in ours.values())
    given = {key: str(value) for one in ours.values() for key, value in one.get("environment", {}).items()}
    assert {name.removesuffix("_FILE") for name in given} <= settings
    fixed = {name for name, value in given.items() if f"${{{name}:-" not in value}
    places = {"HOST", "HEALTH_HOST", "HEALTH_PORT", "PORT", "VOICES_DIR", "LLAMA_LOOPBACK_HOST"}
    assert fixed == places | {"NATS_URL", "NATS_USER", "NATS_PASSWORD_FILE"}


def test_the_env_of_the_program_before_is_taken_as_it_is() -> None:
    """Byte for byte; its loopback Ollama is the one of the stack, its port the published one."""
    old = dict(line.split("=", 1) for line in OLD_ENV.splitlines())
    given: dict[str, str] = {}
    for name in ("edge", "stt", "tts", "llm"):
        given |= {key: resolved(str(value), old) for key, value in SERVICES[name]["environment"].items()}
    loaded = everything.load(old | given | {"NATS_PASSWORD_FILE": ""})
    llm, stt, tts = loaded["llm"], loaded["stt"], loaded["tts"]
    assert isinstance(llm, LlmSettings)
    assert isinstance(stt, SttSettings)
    assert isinstance(tts, TtsSettings)
    assert llm_settings.engine(llm)[0] == "ollama"
    assert llm_settings.reached(llm).llama_endpoint == "http://ollama:11434"
    assert (llm.llama_model, stt.whisper.whisper_model) == ("nome_do_modelo_llama", "base")
    assert (stt.whisper.whisper_device, tts.voice_name, tts.runtime.log.debug_mode) == ("cuda", "man", True)
    assert resolved(SERVICES["edge"]["ports"][0], old) == "127.0.0.1:8000:8000"


def resolved(text: str, given: dict[str, str]) -> str:
    """As Compose does it, for the one form that our files have."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: given.get(found[1]) or found[2], text)


def test_a_volume_is_mounted_where_its_user_may_write() -> None:
    """A new volume takes the owner of the folder that the image has there."""
    lines = (ROOT / "deploy/docker/Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()
    (made,) = [line for line in lines if line.startswith("RUN mkdir")]
    folders, owned = made.split("chown -R 10001:10001")
    for path in (BASE, *OVERRIDES):
        for name, service in read(path)["services"].items():
            if "build" not in service and name != "passwords":
                continue
            for volume in service.get("volumes", []):
                source, target = volume.split(":")[:2]
                assert source.startswith(".") or target in folders.split(), volume
                assert source.startswith(".") or any(target.startswith(folder) for folder in owned.split()), volume


@pytest.mark.parametrize("name", NAMES)
def test_a_service_names_only_what_the_file_has(name: str) -> None:
    service, whole = SERVICES[name], read(BASE)
    assert set(service.get("depends_on", {})) <= set(SERVICES)
    volumes = [volume.split(":")[0] for volume in service.get("volumes", [])]
    assert {volume for volume in volumes if not volume.startswith(".")} <= set(whole["volumes"])
    assert set(service.get("networks", [])) <= {"default"}
    assert "networks" not in service or "network_mode" not in service
    assert all((ROOT / volume).exists() for volume in volumes if volume.startswith("."))


@pytest.mark.parametrize("name", NAMES)
def test_a_service_has_a_health_check_or_ends(name: str) -> None:
    assert ("healthcheck" in SERVICES[name]) != (name in ONCE)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("ollama")])
def test_a_service_of_ours_has_no_right_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_a_tag_and_a_name_that_a_setting_can_change(name: str) -> None:
    assert re.fullmatch(
        r"\$\{VOICEBUS_IMAGE:-\w+\}:\$\{VOICEBUS_TAG:-\w+\}-[\w-]+|[\w./]+:\$\{\w+:-[\w.-]+\}", SERVICES[name]["image"]
    )


def test_only_the_edge_is_reachable_from_outside_and_only_when_that_is_said() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        "edge": ["${PUBLISH_ADDRESS:-127.0.0.1}:${PORT:-8000}:8000"],
        "nats": ["127.0.0.1:${NATS_PORT:-4222}:4222"],
    }


def test_a_container_stops_after_its_drain() -> None:
    drain = 8
    assert all(
        int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > drain for name in ("edge", "stt", "llm", "tts")
    )


def test_every_target_of_the_dockerfile_has_its_lock_and_every_image_its_target() -> None:
    stages = re.findall(
        r"^FROM .* AS ([\w-]+)$", (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8"), re.MULTILINE
    )
    targets = {stage for stage in stages if f"{stage}-packages" in stages}
    wanted = [
        service["build"]["target"]
        for path in (BASE, *OVERRIDES)
        for service in read(path)["services"].values()
        if "build" in service
    ]
    assert set(wanted) <= targets
    assert all(path.exists() for target in targets for path in bootstrap.lock_files(f"image-{target}"))


def test_the_edge_s_image_holds_no_model_library() -> None:
    lock = (ROOT / "requirements/image-edge.lock").read_text(encoding="utf-8")
    assert not re.search(
        r"^(torch|ctranslate2|onnxruntime|xllamacpp|faster-whisper|piper-tts|ollama)==", lock, re.MULTILINE
    )


def test_the_dockerfile_passes_its_linter() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--no-color", ROOT / "deploy/docker/Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
