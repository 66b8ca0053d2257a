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
    assert all((ROOT / "requirements" / f"image-{target}.lock").exists() for target in targets)


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
