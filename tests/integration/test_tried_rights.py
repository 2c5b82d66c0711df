"""Tests run each command of `chatbridge acls` with exactly the rights that it prints, and without each of them."""

from __future__ import annotations

from importlib import import_module

from bridge.adapters.kafka.rights import COMMANDS_WITH_RIGHTS
from tests.integration.user_rights import TRIED

TESTS = ("test_rights", "test_rights_of_verbs", "test_doctor_of_secured_kafka")
REPORTED = {"doctor", "verify --keys"}
"""What goes on without a right of its own: a line of its report names the right, and what is not checked without it."""


def test_no_command_is_left_out() -> None:
    for name in TESTS:
        import_module(f"tests.integration.{name}")
    exact = frozenset[str]().union(*(one.exact for one in TRIED.values()))
    lessened = frozenset[str]().union(*(one.lessened for one in TRIED.values()))
    assert exact == set(COMMANDS_WITH_RIGHTS)
    assert lessened == set(COMMANDS_WITH_RIGHTS) - REPORTED
