"""Faulty behaviour that a server shows while it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.chatserver.messages import ERROR as FLEX_ERROR
from bridge.chatserver.messages import EventError, EventStatus
from bridge.simulator.model.effects import Push
from bridge.simulator.protocol.flex import is_flex

if TYPE_CHECKING:
    from bridge.chatserver.messages import Message


@dataclass(slots=True)
class InjectedFaults:
    """Faults of one server; by default none.

    `refuse` maps a request name (`RequestJoin`) to the error id it is answered with. `unresponsive`: new connections
    are accepted and then ignored. `answer_delay_seconds` delays everything that is sent. `drop_after_join_seconds`:
    each basic connection is reset so long after the answer to a join.
    """

    refuse: dict[str, int] = field(default_factory=dict)
    unresponsive: bool = False
    answer_delay_seconds: float = 0.0
    drop_after_join_seconds: float | None = None

    def clear(self) -> None:
        """Remove all faults."""
        self.refuse.clear()
        self.unresponsive = False
        self.answer_delay_seconds = 0.0
        self.drop_after_join_seconds = None

    def refusal(self, connection: int, request: Message) -> Push | None:
        """Return the error that answers this request, or None if it is not to be refused."""
        error_id = self.refuse.get(type(request).__name__) if self.refuse else None
        if error_id is None:
            return None
        reference_id = getattr(request, "reference_id", None)
        reason = "refused by a fault"
        if is_flex(request):
            return Push(
                connection, EventStatus(FLEX_ERROR, error_id=error_id, description=reason, reference_id=reference_id)
            )
        return Push(connection, EventError(error_id, reason, reference_id))
