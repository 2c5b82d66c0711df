"""Ways to leave a session: one row each, with the reason and quit code that the partyLeft event carries (4.8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.chatserver.messages import CLOSE_IF_NO_AGENTS, FORCE_CLOSE, KEEP_ALIVE
from bridge.transcript.events import CLIENT, KVLIST, Item, Reason

if TYPE_CHECKING:
    from bridge.transcript.events import Items


@dataclass(slots=True, frozen=True)
class Departure:
    """One way to leave. `code` is the reason code, None if it has none; `quit_code` goes into a customer's attributes.

    `source` names where this is documented or observed.
    """

    code: int | None
    text: str
    quit_code: int
    source: str
    quit_code_for_all: bool = False

    @property
    def reason(self) -> Reason:
        """The `reason` of the partyLeft."""
        return Reason(self.code, self.text)

    def attributes(self, user_type: str) -> Items:
        """Return the eventAttributes of the partyLeft: only customers have a quit reason (D4), with one exception."""
        if user_type != CLIENT and not self.quit_code_for_all:
            return []
        return [Item("GCTI_SYSTEM", KVLIST, [Item("quit-reason-code", value=str(self.quit_code))])]


LEFT: Final = Departure(None, "left", 0, "R1-R3; quit code 0 D4")
CLOSE_IF_EMPTY: Final = Departure(1, "left with request to close if no agents", 0, "R3")
CLOSE: Final = Departure(2, "left with request to close forcedly", 0, "R1-R3")
DISCONNECTED: Final = Departure(3, "left due to disconnect", 3, "R1")
FLEX_INACTIVE: Final = Departure(3, "left due to disconnect", 3, "quit code D4; the same reason code is ASM")
REMOVED: Final = Departure(4, "removed by other party", 4, "R1-R3, D4")
WORKFLOW_STOPPED: Final = Departure(5, "removed by server", 5, "quit code D4; code and text ASM")
WRONG_KEY: Final = Departure(6, "removed due to wrong secure key", 6, "code D18; text and quit code ASM")
INACTIVE: Final = Departure(7, "removed by inactivity", 7, "quit code D4; code and text ASM")
NOT_RETURNED: Final = Departure(
    8, "removed during restoration", 8, "quit code D4; code and text ASM", quit_code_for_all=True
)

BY_AFTER_ACTION: Final = {KEEP_ALIVE: LEFT, CLOSE_IF_NO_AGENTS: CLOSE_IF_EMPTY, FORCE_CLOSE: CLOSE}
