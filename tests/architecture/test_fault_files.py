"""The files of the fault tests are listed: what is not in the list, `make faults` does not read."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import FAULTS, FAULTS_IN_PART

TESTS = Path(__file__).parents[1]
MARK = "pytest.mark." + "faults"


def test_each_listed_file_is_there() -> None:
    assert {path.name for path in TESTS.rglob("test_*.py")} >= FAULTS | FAULTS_IN_PART


def test_each_file_that_marks_fault_tests_itself_is_listed() -> None:
    assert {path.name for path in TESTS.rglob("test_*.py") if MARK in path.read_text("utf-8")} == FAULTS_IN_PART
