"""deploy/k8s: valid by the schemas of Kubernetes, true to the program's own table, and a broker that starts with it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]

from services.cli import broker, passwords
from services.runtime import streams
from tests.security import locked

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/k8s"
MANIFESTS = sorted(set(FOLDER.glob("*.yaml")) - {FOLDER / "kustomization.yaml"})
SERVICES = ("edge", "stt", "llm", "tts")
DRAIN_SECONDS = 8
CHART = {
    "server_name": "<< $SERVER_NAME >>",
    "lame_duck_grace_period": "10s",
    "lame_duck_duration": "30s",
    "port": 4222,
    "http_port": 8222,
    "cluster": {"name": "nats", "port": 6222, "no_advertise": True, "routes": ["nats://127.0.0.1:6222"]},
    "jetstream": {"store_dir": "/data", "max_file_store": "<< 16Gi >>", "max_memory_store": "<< 64Mi >>"},
}
"""What the chart writes by itself for such values, as its README and its tests show."""


def documents(path: Path) -> list[dict[str, Any]]:
    return [found for found in yaml.safe_load_all(path.read_text(encoding="utf-8")) if found]


ALL = [found for path in MANIFESTS for found in documents(path)]
SCALED = documents(FOLDER / "keda/scale.yaml")


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in ALL if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def pod(name: str) -> dict[str, Any]:
    found: dict[str, Any] = named("Job" if name == "setup" else "Deployment", name)["spec"]["template"]["spec"]
    return found


def test_every_manifest_is_what_kubernetes_takes() -> None:
    """Strict: an unknown field is an error."""
    program = Path(sys.executable).with_name("kubernetes-validate")
    done = subprocess.run([program, "--strict", *MANIFESTS], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARN" not in done.stdout + done.stderr


def test_the_kustomization_names_every_manifest() -> None:
    assert set(documents(FOLDER / "kustomization.yaml")[0]["resources"]) == {path.name for path in MANIFESTS}


@pytest.mark.parametrize("name", [*SERVICES, "setup"])
def test_a_pod_has_no_right_that_it_does_not_need(name: str) -> None:
    found = pod(name)
    (container,) = found["containers"]
    assert found["automountServiceAccountToken"] is False
    assert found["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert found["volumes"][0]["secret"]["secretName"] == f"voicebus-{name}"
    assert {"name": "NATS_USER", "value": name} in container["env"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_pod_lives_longer_than_its_drain_and_is_asked_whether_it_is_well(name: str) -> None:
    found = pod(name)
    (container,) = found["containers"]
    before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert found["terminationGracePeriodSeconds"] > DRAIN_SECONDS + before + 5
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["ports"][0]["containerPort"] == (8000 if name == "edge" else 9100)
    labels = named("Deployment", name)["spec"]["template"]["metadata"]["labels"]
    assert named("PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"] == labels


def test_every_image_is_a_target_of_the_dockerfile_and_every_variable_a_setting() -> None:
    targets = set(re.findall(r" AS ([\w-]+)$", (ROOT / "deploy/docker/Dockerfile").read_text("utf-8"), re.MULTILINE))
    settings = set(re.findall(r"^#(\w+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE))
    for name in (*SERVICES, "setup"):
        (container,) = pod(name)["containers"]
        assert container["image"].removeprefix("voicebus:latest-") in targets
        assert {one["name"].removesuffix("_FILE") for one in container["env"]} <= settings
    assert set(named("ConfigMap", "voicebus")["data"]) <= settings


def test_each_stage_grows_with_its_own_consumer_and_never_to_none() -> None:
    schema = json.loads((Path(__file__).parent / "scaled_object.schema.json").read_text("utf-8"))
    for one in SCALED:
        jsonschema.validate(one, schema)
    told = {one["spec"]["scaleTargetRef"]["name"]: one["spec"]["triggers"][0]["metadata"] for one in SCALED}
    assert {(found["stream"], found["consumer"]) for found in told.values()} == set(streams.CONSUMERS.items())
    assert all(name == found["consumer"] for name, found in told.items())


def test_a_scaled_object_with_a_misspelt_field_is_refused() -> None:
    """The schema is our own: it has to see what the validator of Kubernetes cannot."""
    schema = json.loads((Path(__file__).parent / "scaled_object.schema.json").read_text("utf-8"))
    wrong = {**SCALED[0], "spec": {**SCALED[0]["spec"], "minReplicas": 1}}
    with pytest.raises(jsonschema.ValidationError, match="minReplicas"):
        jsonschema.validate(wrong, schema)


def test_the_broker_takes_what_the_chart_makes_of_our_values(tmp_path: Path) -> None:
    """The chart's keys in its order, ours merged in, nats.conf included first; every password comes from the Secret."""
    values = documents(FOLDER / "nats/values.yaml")[0]
    merged = {**CHART, **values["config"]["merge"]}
    merged["jetstream"] = {**CHART["jetstream"], **values["config"]["jetstream"]["merge"]}  # type: ignore[dict-item]
    lines = [
        f"include {value};" if key.endswith("$include") else f"{json.dumps(key)}: {written(value)}"
        for key, value in sorted(merged.items())
    ]
    (tmp_path / "nats.conf").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "voicebus.conf").write_text((ROOT / "deploy/nats/nats.conf").read_text("utf-8"), encoding="utf-8")
    command = [broker.binary(), "-t", "-c", str(tmp_path / "nats.conf")]
    environment = {**locked.environment(tmp_path), "SERVER_NAME": "nats-0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    given = set(values["container"]["env"]) - {"NATS_STORE"}
    assert given == {f"NATS_{role.upper()}_PASSWORD" for role in passwords.PLACES if role != "route"}


def written(value: object) -> str:
    """JSON, with what stands in << >> bare, as the chart has it."""
    return re.sub(r'"<< ?(.*?) ?>>"', r"\1", json.dumps(value))
