"""The report as text and as JSON, its exit codes, and that every code and field is documented."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bridge.doctor.examination import CheckedSubject
from bridge.doctor.examination_report import as_json, exit_code, lines_of, summary_of
from bridge.doctor.results.check_result import CheckResult, CheckState, failed, not_checked, ok, warning

DOCS = Path(__file__).parents[2] / "docs" / "operating.md"
GOOD = ok("kafka-1:9092", "answers")
ODD = warning("events", "ONE_REPLICA", "one replica", "add replicas")
BAD = failed("events", "CLEANUP_POLICY", "another policy", "set it")
LEFT = not_checked("chat server", "NOT_CONFIGURED", "no address is given")
DEFECT = not_checked("clock", "DOCTOR_DEFECT", "a defect")


def subject(*results: CheckResult) -> CheckedSubject:
    return CheckedSubject("topics", results)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ((GOOD,), 0),
        ((GOOD, ODD, LEFT), 0),
        ((GOOD, BAD), 1),
        ((LEFT,), 3),
        ((GOOD, DEFECT), 3),
        ((BAD, DEFECT), 3),
    ],
)
def test_warnings_pass_failures_do_not_and_nothing_looked_at_is_no_success(
    results: tuple[CheckResult, ...], code: int
) -> None:
    assert exit_code([subject(*results)]) == code


def test_a_line_has_its_state_its_cause_its_code_and_the_next_step() -> None:
    lines = list(lines_of(subject(GOOD, BAD)))
    assert lines == [
        "topics",
        "  ok           kafka-1:9092: answers",
        "  FAILED       events: another policy [CLEANUP_POLICY]",
        "                 next: set it",
    ]
    assert summary_of([subject(GOOD, ODD, BAD, BAD)]) == "1 ok, 1 warning, 2 failed, 0 not checked"


def test_the_object_of_json_has_the_fields_that_the_documentation_lists() -> None:
    found = as_json([subject(GOOD, BAD)], {"version": "1.0", "group": "g", "workerId": "w"})
    assert found["exitCode"] == 1
    assert found["counts"] == {"ok": 1, "warning": 0, "failed": 1, "not checked": 0}
    assert found["checks"][1] == {
        "check": "topics",
        "subject": "events",
        "state": "failed",
        "code": "CLEANUP_POLICY",
        "detail": "another policy",
        "next": "set it",
    }
    assert json.loads(json.dumps(found)) == found
    section = DOCS.read_text("utf-8").partition("\n`--json` prints one object")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert documented == {*found, *found["checks"][0]}


def test_every_state_has_a_word() -> None:
    for state in CheckState:
        assert len(list(lines_of(subject(CheckResult(state, "a", "CODE", "b"))))) == 2
