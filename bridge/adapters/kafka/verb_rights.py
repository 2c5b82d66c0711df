"""The rights that the verbs need which erase, hold, find, export and unseal chats. Pure.

Each writes to the audit topic in transactions of its own, under an id that only one of them at a time can have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.adapters.kafka.rights import Right

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adapters.kafka.rights import Operation
    from bridge.adapters.kafka.topic_manager import TopicNames

_RECORDS: Final = ("events", "sessions", "quarantine")
_ERASED: Final = ("checkpoints", "keys", "audit", "held", "stored", "announcements")
_HOLD: Final = (("held", "audit"), _RECORDS, ("held", "audit"))

VERBS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]] = {
    "erase": (_ERASED, ("events", "quarantine"), ("stored", "audit")),
    "hold": _HOLD,
    "release": (("audit",), (), ("audit",)),
    "subject find": (("audit",), ("sessions",), ("audit",)),
    "subject export": (("audit",), ("events", "sessions"), ("audit",)),
    "subject erase": (_ERASED, _RECORDS, ("stored", "audit")),
    "subject hold": _HOLD,
    "unseal": (("keys", "audit"), ("events", "quarantine"), ("audit",)),
}
"""Command -> kinds of topics of the installation that it reads, those of each output, and those that it writes."""


def audit_id(group: str) -> str:
    """Return the transactional id under which the verbs of an installation write to the audit topic."""
    return f"{group}-audit"


def verb_rights(command: str, outputs: Sequence[TopicNames], group: str) -> list[Right]:
    """Return what one of VERBS needs. `outputs` are the names of the topics with each."""
    names = outputs[0]
    own, of_outputs, written = VERBS[command]
    topics: dict[str, list[Operation]] = {getattr(names, kind): ["Read"] for kind in own}
    topics |= {getattr(output, kind): ["Read"] for output in outputs for kind in of_outputs}
    for kind in written:
        topics.setdefault(getattr(names, kind), []).append("Write")
    found = [Right("topic", name, operation) for name, operations in topics.items() for operation in operations]
    return [*found, Right("transactional id", audit_id(group), "Write")]
