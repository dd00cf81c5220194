"""The queries of the alarms and of the dashboard, and the metrics and labels that they name."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

GRAFANA = Path(__file__).parents[2] / "grafana"
ALERTS = GRAFANA / "alerts.yml"
DASHBOARD = GRAFANA / "certbot-dns-delegate.json"
SELECTOR = re.compile(r"(certbot_dns_delegate_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")


@dataclass(frozen=True)
class Selector:
    """A metric as a query selects it."""

    metric: str
    labels: frozenset[str]
    """What it is selected and grouped by."""
    values: frozenset[tuple[str, str]]
    """Each label that is compared with one value, and that value."""


def selectors(query: str) -> Iterator[Selector]:
    """Each metric of ours in a query of PromQL."""
    grouped = {label.strip() for found in GROUPING.findall(query) for label in found.split(",")}
    for metric, matchers in SELECTOR.findall(query):
        compared = MATCHER.findall(matchers)
        labels = frozenset(grouped | {label for label, _, _ in compared})
        yield Selector(metric, labels, frozenset((label, value) for label, sign, value in compared if "~" not in sign))


def rules() -> list[dict[str, Any]]:
    """The alarms."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """Grafana's model of it."""
    return dict(json.loads(DASHBOARD.read_text()))


def of_dashboard() -> list[str]:
    """The queries of its panels."""
    return [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]


def series(text: str) -> dict[str, set[tuple[tuple[str, str], ...]]]:
    """What a file of metrics holds: each metric with the labels of its series."""
    found: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            metric, labels = re.fullmatch(r"(\w+)(?:\{(.*)\})? \S+", line).groups("")  # type: ignore[union-attr]  # no match fails the test too
            found.setdefault(metric, set()).add(tuple((label, value) for label, _, value in MATCHER.findall(labels)))
    return found
