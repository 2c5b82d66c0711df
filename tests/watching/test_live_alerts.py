"""A Prometheus watches two running workers: each alert fires in the fault made for it, and none in a healthy run.

The tests use one fleet, in the order of this file; `make watching-alerts` runs them.
"""

from __future__ import annotations

import math
import os
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.documentation.reference_pages import ROOT
from tests.support.kubernetes_api import KubernetesApi, manifests, with_pods
from tests.support.shell_lines import execute
from tests.watching.alert_rules import alerts, longest_wait, panel_queries, selectors
from tests.watching.faulty_worker import FOLDER
from tests.watching.fleet_faults import FAULTS_WITH_CHATS, IDLE_OUTAGE, FleetFault
from tests.watching.prometheus_server import JOB, NAMESPACE
from tests.watching.runbook_entries import entries
from tests.watching.watched_fleet import AUTHORITY_FILE, FACTOR, WatchedFleet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEALTHY_SECONDS = longest_wait(FACTOR) + 5
QUIET_SECONDS = 90
PANEL_RANGE = "5m"
"""Of the rates in panels: the shards of the fleet were opened in it."""
KUBECTL = "kubectl "
"""Of its lines those that read logs are executed at the end; the others: test_kubernetes_commands.py."""
OF_LOGS = "kubectl logs "
POD = "chatbridge-0"
COMPARISON = re.compile(r"\s*(?:==|>|<)\s*[\d.]+(?: \* \d+)?")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedFleet]:
    folder = tmp_path_factory.mktemp("watched")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(FOLDER, str(folder))
        patched.setenv("SSL_CERT_FILE", str(folder / AUTHORITY_FILE))
        with WatchedFleet(folder) as running:
            yield running


def provoke(fleet: WatchedFleet, fault: FleetFault) -> None:
    fleet.prometheus.wait_quiet(fault.expected, QUIET_SECONDS)
    fault.provoke(fleet, lambda seconds: fleet.prometheus.wait_firing(fault.expected, seconds))


def series_of(expr: str) -> list[str]:
    """Return an expression as queries that have a result while nothing is wrong: each side, without comparisons."""
    sides = re.split(r"\bunless\b(?: on \([^)]*\))?|\bor\b", expr)
    return [re.sub(r"^absent\((.*)\)$", r"\1", COMPARISON.sub("", side).strip()) for side in sides]


def has_data(series: list[dict[str, Any]]) -> bool:
    """Tell whether a query's result has series, and each a number: no division by 0 and no quantile of nothing is."""
    return bool(series) and all(math.isfinite(float(one["value"][1])) for one in series)


@pytest.mark.watching
@pytest.mark.timeout(120)
def test_an_outage_of_kafka_is_seen_while_there_are_no_chats(fleet: WatchedFleet) -> None:
    provoke(fleet, IDLE_OUTAGE)
    fleet.prometheus.wait_quiet({one.name for one in alerts()}, QUIET_SECONDS)


@pytest.mark.watching
@pytest.mark.timeout(180)
def test_in_a_healthy_fleet_every_expression_has_data_the_runbook_works_and_no_alert_fires(
    fleet: WatchedFleet, tmp_path: Path
) -> None:
    fleet.watch_chats()
    fleet.prometheus.wait_quiet({one.name for one in alerts()}, QUIET_SECONDS)
    began = time.monotonic()
    queries = [query for one in alerts() for query in (*series_of(one.expr), *_plain_selectors(one.expr))]
    assert [query for query in queries if not has_data(fleet.prometheus.query(query))] == []
    shown = [(one.dashboard, one.panel, _filled_in(fleet, one.expr)) for one in panel_queries()]
    assert [one for one in shown if not has_data(fleet.prometheus.query(one[-1]))] == []
    with ThreadPoolExecutor(max_workers=1) as beside:
        failures = beside.submit(_runbook_failures, fleet, tmp_path)
        _let_pass(began + HEALTHY_SECONDS)
        assert failures.result() == {}
    fired = fleet.prometheus.query(
        f'count by (alertname) (count_over_time(ALERTS{{alertstate="firing"}}[{HEALTHY_SECONDS}s]))'
    )
    assert [one["metric"]["alertname"] for one in fired] == []


@pytest.mark.watching
@pytest.mark.timeout(240)
@pytest.mark.parametrize("fault", FAULTS_WITH_CHATS, ids=lambda fault: fault.name)
def test_each_alert_fires_in_the_fault_made_for_it(fleet: WatchedFleet, fault: FleetFault) -> None:
    provoke(fleet, fault)


@pytest.mark.watching
@pytest.mark.timeout(60)
def test_the_commands_of_the_runbook_that_read_logs_find_what_the_faults_left(
    fleet: WatchedFleet, tmp_path: Path
) -> None:
    logs = "".join(worker.log.read_text("utf-8") for worker in fleet.workers.values())
    commands = {command for entry in entries() for command in entry.commands if command.startswith(OF_LOGS)}
    assert len([command for command in commands if " | grep " in command]) > 2
    with KubernetesApi(with_pods(manifests(), NAMESPACE), NAMESPACE, {POD: logs}) as api:
        api.write_kubeconfig(tmp_path / "kubeconfig")
        environment = {**_shell(fleet, tmp_path), "KUBECONFIG": str(tmp_path / "kubeconfig")}
        failed = {command: outcome for command in commands if (outcome := _failure(command, environment))}
    assert failed == {}


def test_there_is_a_fault_for_each_alert() -> None:
    made_for = [alert for fault in (IDLE_OUTAGE, *FAULTS_WITH_CHATS) for alert in fault.expected]
    assert sorted(made_for) == sorted(one.name for one in alerts())


def test_both_sides_of_an_expression_are_asked_for() -> None:
    assert series_of('a == 0\n  unless on (job, instance) b{code="x"} == 1') == ["a", 'b{code="x"}']
    assert series_of('absent(up{job="j"} == 1)') == ['up{job="j"}']
    assert series_of("end - time() < 21 * 86400") == ["end - time()"]


def test_a_result_without_a_number_is_no_data() -> None:
    number, *others = ({"metric": {}, "value": [1.5, value]} for value in ("0", "NaN", "+Inf", "-Inf"))
    assert has_data([number])
    for other in others:
        assert not has_data([other])
        assert not has_data([number, other])
    assert not has_data([])


def _runbook_failures(fleet: WatchedFleet, folder: Path) -> dict[str, str]:
    """Execute the commands of the runbook that need no cluster; return those that fail."""
    environment = _shell(fleet, folder)
    commands = dict.fromkeys(command for entry in entries() for command in entry.commands)
    executed = [command for command in commands if not command.startswith(KUBECTL)]
    assert len(executed) > 20
    return {command: outcome for command in executed if (outcome := _failure(command, environment))}


def _failure(command: str, environment: dict[str, str]) -> str:
    """Execute a command of the runbook; return what went wrong, an HTTP status of 400 or more included."""
    strict = command.replace("curl ", "curl --fail-with-body ")
    done = execute(strict, ROOT, environment)
    if done.returncode == 0 and done.stdout:
        return ""
    return f"exit code {done.returncode}: {done.stdout[-500:]}{done.stderr[-1000:]}"


def _plain_selectors(expr: str) -> list[str]:
    """Return one query for each series that an expression selects by a value of a label."""
    return [f'{one.metric}{{{label}="{value}"}}' for one in selectors(expr) for label, value in one.matchers]


def _filled_in(fleet: WatchedFleet, expr: str) -> str:
    """Put values into a panel's query as Grafana does."""
    values = {
        "$__rate_interval": PANEL_RANGE,
        "$namespace": NAMESPACE,
        "$job": JOB,
        "$instance": f"127.0.0.1:{fleet.ports['worker-1']}",
    }
    for name, value in values.items():
        expr = expr.replace(name, value)
    assert "$" not in expr
    return expr


def _let_pass(until: float) -> None:
    time.sleep(max(0.0, until - time.monotonic()))  # the length of the healthy run


def _shell(fleet: WatchedFleet, folder: Path) -> dict[str, str]:
    """Return the environment that the runbook begins with, for worker-1."""
    program = folder / "chatbridge"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bridge "$@"\n', encoding="ascii")
    program.chmod(0o755)
    settings: dict[str, Any] = {
        "worker_id": "worker-1",
        "kafka": {
            "bootstrap_servers": fleet.environment.broker,
            "topic_prefix": fleet.environment.prefix,
            "group": f"{fleet.environment.prefix}bridge",
            "partitions": fleet.environment.settings.get("kafka__partitions", 3),
            "replication_factor": 1,
        },
    }
    file = folder / "bridge.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "CURL_CA_BUNDLE": os.environ["SSL_CERT_FILE"],
        "WORKER": fleet.workers["worker-1"].url,
        "AUTH": "Authorization: Bearer none-is-needed-on-loopback",
        "CHATBRIDGE_CONFIG": str(file),
        "POD": POD,
    }
