"""Which of the rights that a worker needs Kafka grants to this client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.adapters.kafka.rights import by_resource, denied, named
from bridge.doctor.results.check_result import failed_by, not_checked, ok
from bridge.doctor.results.doctor_codes import NOT_TOLD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adapters.kafka.access_probe import RightsLook
    from bridge.adapters.kafka.rights import ResourceRights, Right
    from bridge.doctor.results.check_result import CheckResult


def rights_results(needed: Sequence[Right], look: RightsLook, principal: str) -> list[CheckResult]:
    """Return a line per resource. The right to create topics cannot be asked for, and is not counted."""
    resources = by_resource(right for right in needed if right.operation != "Create")
    return [_of(one, look, principal) for one in resources]


def _of(one: ResourceRights, look: RightsLook, principal: str) -> CheckResult:
    subject, operations = named(one), ", ".join(one.operations)
    lacking = [right for right in look.missing if (right.kind, right.name) == (one.kind, one.name)]
    if lacking:
        return failed_by(subject, denied(lacking, principal))
    if any((right.kind, right.name) == (one.kind, one.name) for right in look.untold):
        text = f"Kafka does not tell whether {principal} has {operations}: it does not exist yet, or the broker is old"
        return not_checked(subject, NOT_TOLD, text, "ask again once it exists")
    if one.kind == "transactional id":
        return ok(subject, f"{principal} may ask for its coordinator; of {operations} Kafka tells no more")
    return ok(subject, f"{principal} has {operations}")
