"""The alerts of deploy/prometheus/rules.yaml, the queries of deploy/grafana, and the metrics that they name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.documentation.reference_pages import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

RULES: Final = ROOT / "deploy" / "prometheus" / "rules.yaml"
RULE_TESTS: Final = ROOT / "deploy" / "prometheus" / "rules.test.yaml"
DASHBOARDS: Final = (ROOT / "deploy" / "grafana" / "fleet.json", ROOT / "deploy" / "grafana" / "worker.json")
SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
SHORTEST_RANGE: Final = 6
"""Seconds that a range has at least when it is shortened: several scrapes."""
TARGET_LABELS: Final = {"namespace", "job", "instance"}
"""Labels that Prometheus gives to the series of a worker."""

_DURATION: Final = re.compile(r"(\d+)([smhd])")
_SELECTOR: Final = re.compile(r"\b((?:chatbridge|process|python)_[a-z_]+|up)\b(?:\{([^}]*)\})?")
_MATCHER: Final = re.compile(r'([a-z_]+)\s*(=~|=|!=|!~)\s*"([^"]*)"')
_GROUPING: Final = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")


@dataclass(frozen=True)
class Alert:
    """One alert of the rule file."""

    name: str
    expr: str
    wait: str  #: `for`: how long the expression has to hold
    severity: str
    annotations: dict[str, str]


@dataclass(frozen=True)
class Selector:
    """One selector of an expression. `matchers` are (label, value), one for each alternative of a pattern."""

    metric: str
    matchers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class PanelQuery:
    """One query of a panel."""

    dashboard: str
    row: str
    panel: str
    expr: str


def rule_file() -> dict[str, Any]:
    return dict(yaml.safe_load(RULES.read_text("utf-8")))


def alerts() -> list[Alert]:
    return [
        Alert(rule["alert"], rule["expr"], rule.get("for", "0s"), rule["labels"]["severity"], rule["annotations"])
        for group in rule_file()["groups"]
        for rule in group["rules"]
    ]


def panel_queries() -> list[PanelQuery]:
    found = []
    for path in DASHBOARDS:
        row = ""
        for panel in json.loads(path.read_text("utf-8"))["panels"]:
            if panel["type"] == "row":
                row = panel["title"]
            found += [PanelQuery(path.stem, row, panel["title"], one["expr"]) for one in panel.get("targets", ())]
    return found


def selectors(expr: str) -> list[Selector]:
    """Return the selectors of an expression, without the labels that Prometheus gives."""
    found = []
    for metric, inside in _SELECTOR.findall(expr):
        matchers = [
            (label, value)
            for label, _, values in _MATCHER.findall(inside)
            if label not in TARGET_LABELS
            for value in values.split("|")
        ]
        found.append(Selector(metric, tuple(matchers)))
    return found


def grouping_labels(expr: str) -> set[str]:
    """Return the labels that an expression groups or joins by, without those that Prometheus gives and `le`."""
    named = {label.strip() for inside in _GROUPING.findall(expr) for label in inside.split(",")}
    return named - TARGET_LABELS - {"le", ""}


def metrics_named(exprs: Iterable[str]) -> set[str]:
    return {one.metric for expr in exprs for one in selectors(expr)}


def shortened(factor: int) -> dict[str, Any]:
    """Return the rule file with every `for` and every range divided by `factor`. Thresholds stay."""
    rules = rule_file()
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["expr"] = re.sub(
                r"\[(\w+)\]",
                lambda found: f"[{max(SHORTEST_RANGE, _in_seconds(found[1]) // factor)}s]",
                rule["expr"],
            )
            if "for" in rule:
                rule["for"] = f"{max(1, _in_seconds(rule['for']) // factor)}s"
    return rules


def longest_wait(factor: int) -> int:
    """Return the longest `for` of all alerts in seconds, divided by `factor`."""
    return max(_in_seconds(one.wait) for one in alerts()) // factor


def _in_seconds(duration: str) -> int:
    found = _DURATION.fullmatch(duration)
    assert found, f"no duration of one unit: {duration}"
    return int(found[1]) * SECONDS[found[2]]
