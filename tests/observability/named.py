"""The metrics that the dashboard and the alert rules go by."""

import json
import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana/dashboards/voicebus.json"
ALERTS = DEPLOY / "prometheus/alerts.yml"
METRIC = re.compile(r"\b(?:voicebus|process)_\w+")


def panels() -> list[dict[str, Any]]:
    """What the dashboard draws, without its headlines."""
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text("utf-8"))["panels"]
    return [panel for panel in found if panel["type"] != "row"]


def queries() -> dict[str, str]:
    """Every expression of the dashboard and of the alerts, by where it stands."""
    drawn = {
        f"{panel['title']} {target['refId']}": str(target["expr"]) for panel in panels() for target in panel["targets"]
    }
    return drawn | {str(rule["alert"]): str(rule["expr"]) for rule in alerts()}


def alerts() -> list[dict[str, Any]]:
    """The alert rules."""
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def metrics() -> set[str]:
    """Every metric that one of them names."""
    return {name for query in queries().values() for name in METRIC.findall(query)}
