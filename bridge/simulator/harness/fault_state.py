"""What a server looks at while it answers, when something is to go wrong. `faults.py` sets it."""

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
class FaultState:
    """What the server looks at while it answers.

    `refuse` maps a request name (`RequestJoin`) to the error id it is answered with. `plays_dead`: new connections are
    taken and then ignored. `answer_delay_seconds` delays everything that is sent.
    """

    refuse: dict[str, int] = field(default_factory=dict)
    plays_dead: bool = False
    answer_delay_seconds: float = 0.0

    def clear(self) -> None:
        """Answer as a healthy server again."""
        self.refuse.clear()
        self.plays_dead = False
        self.answer_delay_seconds = 0.0

    def refusal(self, connection: int, request: Message) -> Push | None:
        """Return the refusal of a request that is to be refused."""
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
