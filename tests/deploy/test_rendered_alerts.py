"""The rendered alerts and dashboards are those of deploy/; the alerts ask for the workers of their release."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.deploy.rendered_chart import DEPLOY, KINDS, NAMESPACE, Document, documents, of_kind, template
from tests.watching.alert_rules import alerts
from tests.watching.runbook_entries import entries

if TYPE_CHECKING:
    from pathlib import Path

ALERTS: Final = ("--values", str(KINDS["minimal"]), "--set", "prometheusRule.enabled=true")
ANY_JOB: Final = 'job=~".*chatbridge.*"'
"""How the rule file finds the workers: their metrics without a prefix of the program are those of every process."""
RULE_FILE: Final = (DEPLOY / "prometheus" / "rules.yaml").read_text("utf-8")
_OF_ANY_PROCESS: Final = re.compile(r"\b(?:up|process_[a-z_]+)\b(\{[^}]*\})?")
_SELECTOR: Final = re.compile(r" -l (\S+?)=(\S+)")


def rules_for(job: str, base: str = "") -> dict[str, Any]:
    """Return the rule file with a job of the namespace of these tests, and an address before the runbook's path."""
    workers = f'namespace="{NAMESPACE}",job="{job}"'
    text = RULE_FILE.replace(ANY_JOB, workers).replace("runbook_url: ", f"runbook_url: {base}")
    return dict(yaml.safe_load(text))


def job_of(found: list[Document]) -> str:
    """Return the name of the Service that the ServiceMonitor selects: Prometheus names the job after it."""
    return str(of_kind(found, "Service", "-workers")["metadata"]["name"])


def test_every_metric_of_any_process_is_asked_for_by_the_job() -> None:
    named = [matchers for alert in alerts() for matchers in _OF_ANY_PROCESS.findall(alert.expr)]
    assert len(named) > 3
    assert set(named) == {"{" + ANY_JOB + "}"}


@pytest.mark.parametrize(
    ("release", "words", "job"),
    [
        ("chatbridge", (), "chatbridge-workers"),
        ("south", (), "south-chatbridge-workers"),
        ("south", ("--set", "nameOverride=transcripts"), "south-transcripts-workers"),
        ("south", ("--set", "fullnameOverride=recorder"), "recorder-workers"),
    ],
)
def test_the_alerts_ask_for_the_workers_of_their_release_and_are_the_same_else(
    chart: Path, release: str, words: tuple[str, ...], job: str
) -> None:
    found = documents(template(chart, *ALERTS, *words, release=release))
    assert job_of(found) == job
    assert of_kind(found, "PrometheusRule")["spec"] == rules_for(job)


@pytest.mark.parametrize("base", ["https://git.example/chatbridge/blob/main", "https://git.example/a/b/"])
def test_the_alerts_refer_to_the_runbook_where_the_values_say(chart: Path, base: str) -> None:
    found = documents(template(chart, *ALERTS, "--set", f"prometheusRule.runbookBaseUrl={base}"))
    wanted = rules_for(job_of(found), f"{base.rstrip('/')}/")
    assert of_kind(found, "PrometheusRule")["spec"] == wanted


def test_the_rendered_dashboards_are_those_of_deploy(objects: dict[str, list[Document]]) -> None:
    files = of_kind(objects["everything"], "ConfigMap", "-dashboards")["data"]
    wanted = {f"chatbridge-{path.name}": path.read_text("utf-8") for path in (DEPLOY / "grafana").glob("*.json")}
    assert len(wanted) == 2
    assert {name: text.strip() for name, text in files.items()} == {name: text.strip() for name, text in wanted.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_runbook_finds_the_pods_by_a_label_that_they_have(objects: dict[str, list[Document]], kind: str) -> None:
    commands = [command for entry in entries() for command in entry.commands if command.startswith("kubectl ")]
    named = [label for command in commands for label in _SELECTOR.findall(command)]
    workers = of_kind(objects[kind], "StatefulSet")
    assert len(named) > 3
    for labels in (workers["metadata"]["labels"], workers["spec"]["template"]["metadata"]["labels"]):
        assert {(key, labels.get(key)) for key, _ in named} == set(named)
