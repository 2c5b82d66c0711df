"""One line of the examination: what was looked at, its state, the cause, and the next step."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bridge.errors import BridgeError

OK: Final = "OK"
"""Code of a line that is ok."""


class CheckState(enum.Enum):
    """How a line is to be taken."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(slots=True, frozen=True)
class CheckResult:
    """One line. `subject` is what was looked at: an address, a topic, a group.

    `code` is of a closed set (docs/reference/codes.md), for programs; `detail` and `next_step` are sentences for
    people, and hold no secret. A line that is ok has no next step.
    """

    state: CheckState
    subject: str
    code: str
    detail: str
    next_step: str = ""


def ok(subject: str, detail: str) -> CheckResult:
    """Return a line about what is as it should be."""
    return CheckResult(CheckState.OK, subject, OK, detail)


def warning(subject: str, code: str, detail: str, next_step: str) -> CheckResult:
    """Return a line about what works, and should not stay so."""
    return CheckResult(CheckState.WARNING, subject, code, detail, next_step)


def failed(subject: str, code: str, detail: str, next_step: str) -> CheckResult:
    """Return a line about what keeps a worker from its work, or soon will."""
    return CheckResult(CheckState.FAILED, subject, code, detail, next_step)


def not_checked(subject: str, code: str, why: str, next_step: str = "") -> CheckResult:
    """Return a line about what could not be looked at, or did not have to be."""
    return CheckResult(CheckState.NOT_CHECKED, subject, code, why, next_step)


def failed_by(subject: str, error: BridgeError) -> CheckResult:
    """Return a line about an error that says itself what to do."""
    step = error.next_step or "look at the log and the load of the other side, and at the network"
    return failed(subject, error.code, error.message, step)


def not_checked_by(subject: str, error: BridgeError) -> CheckResult:
    """Return a line about a question that was refused, where the worker does not need the answer."""
    return not_checked(subject, error.code, error.message, error.next_step)
