"""promtool checks the rule file and runs its unit tests, which look at each alert from both sides of its window."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from tests.watching.alert_rules import RULE_TESTS, RULES, alerts

TESTS: list[dict[str, Any]] = yaml.safe_load(RULE_TESTS.read_text("utf-8"))["tests"]


def promtool(*words: str) -> None:
    program = shutil.which("promtool")
    assert program, "promtool is missing (Debian: apt-get install prometheus); `make watching-alerts` installs it"
    done = subprocess.run([program, *words], cwd=RULES.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def looked_at(alert: str) -> tuple[bool, bool]:
    """Return whether a unit test sees the alert not firing, and firing."""
    quiet = fires = False
    for test in TESTS:
        for one in test["promql_expr_test"]:
            if re.search(f'alertname="{alert}"', one["expr"]):
                quiet, fires = quiet or "exp_samples" not in one, fires or "exp_samples" in one
        fires = fires or any(one["alertname"] == alert for one in test.get("alert_rule_test", ()))
    return quiet, fires


@pytest.mark.watching
def test_the_rule_file_is_valid() -> None:
    promtool("check", "rules", RULES.name)


@pytest.mark.watching
def test_each_alert_fires_when_its_window_is_over_and_not_before() -> None:
    promtool("test", "rules", RULE_TESTS.name)


@pytest.mark.parametrize("alert", [one.name for one in alerts()])
def test_the_unit_tests_look_at_an_alert_from_both_sides(alert: str) -> None:
    assert looked_at(alert) == (True, True)
