"""Each metric and each label value that alerts, dashboards and the runbook name is one that a worker shows."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

from tests.watching.alert_rules import (
    DASHBOARDS,
    PanelQuery,
    alerts,
    grouping_labels,
    longest_wait,
    metrics_named,
    panel_queries,
    selectors,
    shortened,
)
from tests.watching.known_metrics import known_series
from tests.watching.runbook_entries import metrics_in_runbook

if TYPE_CHECKING:
    from pathlib import Path

ROWS = ["Alive?", "Behind?", "Losing?", "What does it cost?"]
EXPRESSIONS = {
    **{one.name: one.expr for one in alerts()},
    **{f"{one.dashboard}, {one.panel}, {number}": one.expr for number, one in enumerate(panel_queries())},
}


@pytest.mark.parametrize("expr", EXPRESSIONS.values(), ids=EXPRESSIONS.keys())
def test_an_expression_names_series_that_a_worker_has(expr: str) -> None:
    known = known_series()
    found = selectors(expr)
    assert found
    for one in found:
        assert one.metric in known, f"no worker has {one.metric}"
        for label, value in one.matchers:
            assert value in known[one.metric].get(label, ()), f"{one.metric} has no {label}={value}"
    labels = set().union(*(known[one.metric].keys() for one in found))
    assert grouping_labels(expr) <= labels


def test_the_runbook_names_series_that_a_worker_has() -> None:
    named = metrics_in_runbook()
    assert "chatbridge_commit_seconds_sum" in named
    families = {name.removesuffix("_count") for name in known_series() if name.endswith("_count")}
    assert named <= known_series().keys() | families


def test_the_alerts_name_what_was_missed_when_things_were_broken_on_purpose() -> None:
    assert metrics_named(one.expr for one in alerts()) > {
        "chatbridge_ready",
        "chatbridge_not_ready",
        "chatbridge_kafka_up",
        "chatbridge_partitions",
        "chatbridge_announcement_lag",
    }


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_has_four_rows_and_panels_that_do_not_overlap(path: Path) -> None:
    board = json.loads(path.read_text("utf-8"))
    assert [panel["title"] for panel in board["panels"] if panel["type"] == "row"] == ROWS
    assert Counter(panel["id"] for panel in board["panels"]).most_common(1)[0][1] == 1
    variables = [one["name"] for one in board["templating"]["list"]]
    assert variables[:3] == ["datasource", "namespace", "job"]
    for panel in board["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        if panel["type"] != "row":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert panel["targets"]
    for one, other in combinations([panel["gridPos"] for panel in board["panels"]], 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, f"{one} {other}"


def test_every_panel_is_in_a_row() -> None:
    assert {one.row for one in panel_queries()} == set(ROWS)


def test_expressions_are_taken_apart() -> None:
    [one, other] = selectors('rate(chatbridge_gaps_total{job="$job", reason=~"a|b"}[5m]) / on (job) up{job=~".*"}')
    assert (one.metric, one.matchers) == ("chatbridge_gaps_total", (("reason", "a"), ("reason", "b")))
    assert (other.metric, other.matchers) == ("up", ())
    assert grouping_labels("sum by (le, reason, instance) (x)") == {"reason"}
    assert PanelQuery("fleet", "Alive?", "Workers that answer", 'sum(up{namespace=~"$namespace", job="$job"})') in (
        panel_queries()
    )


def test_windows_are_shortened_and_thresholds_are_not() -> None:
    rules = {rule["alert"]: rule for group in shortened(60)["groups"] for rule in group["rules"]}
    assert rules["ChatbridgeOneWorker"]["for"] == "15s"
    assert "[60s]" in rules["ChatbridgeCoverage"]["expr"]
    assert rules["ChatbridgeBehind"]["expr"] == "chatbridge_oldest_uncommitted_event_seconds > 30"
    assert longest_wait(60) == 30  # ChatbridgeJoinsPaused
