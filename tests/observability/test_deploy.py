"""deploy/: the rules fire when they must, the dashboard and its containers hold together."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client import generate_latest

from services.edge import lines, report
from services.runtime import metrics
from tests.observability import named

ROOT = Path(__file__).resolve().parents[2]
OVERRIDE = ROOT / "deploy/compose.observability.yml"
RULES = ROOT / "deploy/prometheus"
OURS = {"edge": "8000", "stt": "9100", "llm": "9100", "tts": "9100"}
"""Where each service tells of itself in a container."""


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text("utf-8"))
    return found


WATCHERS: dict[str, dict[str, Any]] = {
    name: service for name, service in read(OVERRIDE)["services"].items() if name not in OURS
}


def promtool(*words: str, text: bytes = b"") -> str:
    """What promtool says, when it is content."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("there is no promtool here: install Prometheus (Debian: apt install prometheus)")
    done = subprocess.run([program, *words], input=text, capture_output=True, check=False, timeout=60, cwd=RULES)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def test_the_rules_and_the_configuration_are_valid() -> None:
    promtool("check", "config", "prometheus.yml")


def test_every_alert_fires_when_it_must_and_is_quiet_when_not() -> None:
    """In time, with its labels and its words; an alert without a test of both is missed here."""
    promtool("test", "rules", "alerts_test.yml")
    asked = [case for test in read(RULES / "alerts_test.yml")["tests"] for case in test["alert_rule_test"]]
    fired = {case["alertname"] for case in asked if case["exp_alerts"]}
    quiet = {case["alertname"] for case in asked if not case["exp_alerts"]}
    assert fired == quiet == {rule["alert"] for rule in named.alerts()}


def test_an_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in named.alerts():
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]


def test_names_and_units_are_as_prometheus_wants_them() -> None:
    """Its own linter reads every series that a service can tell."""
    report.begin()
    metrics.of("stt")
    lines.QUEUE.labels("stt", lines.WAITING).set(0)
    promtool("check", "metrics", text=generate_latest())


def test_every_panel_has_a_query_a_unit_and_its_data_source() -> None:
    titles = [panel["title"] for panel in named.panels()]
    assert len(titles) == len(set(titles)) > 20
    for panel in named.panels():
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
    board = json.loads(named.DASHBOARD.read_text("utf-8"))
    assert [variable["type"] for variable in board["templating"]["list"]] == ["datasource"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_override_is_what_the_compose_specification_allows() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(OVERRIDE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(WATCHERS))
def test_a_container_that_watches_has_no_right_it_does_not_need_and_is_seen_on_loopback_alone(name: str) -> None:
    service = WATCHERS[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[\w./]+:\$\{\w+:-[\w.-]+\}", service["image"])
    assert all(re.fullmatch(r"127\.0\.0\.1:\$\{\w+:-\d+\}:\d+", port) for port in service["ports"])
    volumes = [volume.split(":")[0] for volume in service.get("volumes", [])]
    assert all((ROOT / volume).exists() for volume in volumes if volume.startswith("."))
    assert {volume for volume in volumes if not volume.startswith(".")} <= set(read(OVERRIDE)["volumes"])


def test_who_is_scraped_asked_and_sent_to_is_there() -> None:
    """Prometheus finds the four services, Grafana finds both sources, spans find Jaeger."""
    jobs = read(RULES / "prometheus.yml")["scrape_configs"]
    assert {job["job_name"]: job["dns_sd_configs"][0]["port"] for job in jobs} == {
        f"voicebus-{name}": int(port) for name, port in OURS.items()
    }
    assert [job["dns_sd_configs"][0]["names"] for job in jobs] == [[name] for name in OURS]
    sources = read(ROOT / "deploy/grafana/provisioning/datasources/voicebus.yml")["datasources"]
    assert {source["url"] for source in sources} == {"http://prometheus:9090", "http://jaeger:16686"}
    services = read(OVERRIDE)["services"]
    assert all("http://jaeger:4318" in str(services[name]["environment"]) for name in OURS)
    (folder,) = read(ROOT / "deploy/grafana/provisioning/dashboards/voicebus.yml")["providers"]
    assert f"./deploy/grafana/dashboards:{folder['options']['path']}:ro" in services["grafana"]["volumes"]
