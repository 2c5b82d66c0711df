"""Each alert has an entry in the runbook, and each entry an alert; its commands are some that there are."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.documentation.reference_pages import ROOT
from tests.watching.alert_rules import Alert, alerts
from tests.watching.runbook_entries import RunbookEntry, entries, headings

PROGRAMS = {"curl", "chatbridge", "kubectl", "grep"}
COMMANDS = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")


def test_each_alert_has_an_entry_and_each_entry_an_alert() -> None:
    named = [one.name for one in alerts()]
    assert len(named) == len(set(named))
    assert sorted(headings()) == sorted(named)
    assert sorted(one.alert for one in entries()) == sorted(named)


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert.name)
def test_an_alert_says_what_it_is_and_where_to_read_on(alert: Alert) -> None:
    assert alert.severity in {"critical", "warning"}
    assert alert.annotations.keys() == {"summary", "description", "runbook_url"}
    assert alert.annotations["runbook_url"] == f"docs/runbook.md#{alert.name.lower()}"


@pytest.mark.parametrize("entry", entries(), ids=lambda entry: entry.alert)
def test_an_entry_has_a_meaning_three_commands_and_steps(entry: RunbookEntry) -> None:
    assert entry.meaning
    assert len(entry.commands) == 3
    assert entry.steps.startswith("* ")
    for command in entry.commands:
        programs = [shlex.split(part)[0] for part in re.split(r" \| ", command)]
        assert set(programs) <= PROGRAMS, command
        if programs[0] == "chatbridge":
            assert f"\n## chatbridge {shlex.split(command)[1]}\n" in COMMANDS
