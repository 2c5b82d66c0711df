"""Whether the registry has the schemas, would take them, and would refuse later ones that cannot read old records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.doctor.results.check_result import CheckResult, failed, ok, warning
from bridge.doctor.results.doctor_codes import COMPATIBILITY_LOW, SCHEMA_INCOMPATIBLE, SCHEMA_NOT_REGISTERED

_STRICT: Final = frozenset({"BACKWARD_TRANSITIVE", "FULL_TRANSITIVE"})
_SHOWN: Final = 3


@dataclass(slots=True, frozen=True)
class SubjectState:
    """What the registry says of one subject.

    `schema_id` None: this schema is not registered under it. `compatibility` None: it has none of its own.
    `reasons`: why this schema is not compatible with the newest one there, empty when it is.
    """

    subject: str
    schema_id: int | None
    compatibility: str | None
    reasons: tuple[str, ...]


def subject_result(state: SubjectState) -> CheckResult:
    """Judge one subject."""
    if state.schema_id is None and state.reasons:
        text = f"the schema of this version is not compatible with what is registered: {'; '.join(_few(state.reasons))}"
        step = "compare with `chatbridge schemas print`; use another kafka.topic_prefix, or a registry of its own"
        return failed(state.subject, SCHEMA_INCOMPATIBLE, text, step)
    if state.schema_id is None:
        text = "the schema of this version is not registered yet, and would be accepted"
        step = "nothing, `chatbridge run` registers it; or `chatbridge schemas register`"
        return warning(state.subject, SCHEMA_NOT_REGISTERED, text, step)
    if state.compatibility not in _STRICT:
        level = "no compatibility of its own" if state.compatibility is None else f"compatibility {state.compatibility}"
        step = f"set the compatibility of {state.subject} to BACKWARD_TRANSITIVE in the registry"
        text = f"id {state.schema_id}; it has {level}: later schemas need not read all old records"
        return warning(state.subject, COMPATIBILITY_LOW, text, step)
    return ok(state.subject, f"id {state.schema_id}, compatibility {state.compatibility}")


def _few(reasons: tuple[str, ...]) -> list[str]:
    more = [f"and {len(reasons) - _SHOWN} more"] if len(reasons) > _SHOWN else []
    return [*(" ".join(reason.split()) for reason in reasons[:_SHOWN]), *more]
