"""Parties of a session, what each may do, and who sees what.

Sources are those of the protocol facts: D3 protocol elements, D2 functional capabilities, R observed transcripts, ASM
an assumption.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.chatserver.versions import HIGHEST
from bridge.transcript.events import (
    AGENT,
    ALL,
    CLIENT,
    EXTERNAL,
    INT,
    KVLIST,
    SUPERVISOR,
    SYSTEM,
    VIP,
    Item,
    Items,
    MessageText,
    UserInfo,
    find,
)

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent

BASIC: Final = "BASIC"
FLEX: Final = "FLEX"
ESP: Final = "ESP"
NONE: Final = "NONE"

# Who sees an event of a visibility (4.3: D3; EXTERNAL and SYSTEM as viewers of INT and VIP are ASM).
VIEWERS: Final = {
    ALL: frozenset({CLIENT, AGENT, SUPERVISOR, EXTERNAL, SYSTEM}),
    INT: frozenset({AGENT, SUPERVISOR, EXTERNAL, SYSTEM}),
    VIP: frozenset({SUPERVISOR, EXTERNAL, SYSTEM}),
}

# Which visibility a user type may join with and use (4.1: D3).
MAY_USE: Final = {
    CLIENT: frozenset({ALL}),
    AGENT: frozenset({ALL, INT}),
    SUPERVISOR: frozenset({ALL, INT, VIP}),
    EXTERNAL: frozenset({ALL, INT, VIP}),
    SYSTEM: frozenset({ALL, INT, VIP}),
}

_OPENNESS: Final = {VIP: 0, INT: 1, ALL: 2}


@dataclass(slots=True, frozen=True)
class PartySpec:
    """Somebody about to join. An empty `user_id` lets the server choose one."""

    info: UserInfo
    user_id: str = ""
    visibility: str = ALL
    user_data: Items = field(default_factory=list)
    greeting: MessageText | None = None


@dataclass(slots=True)
class SessionParty:
    """Somebody in a session. `connection` is None for those who need no push: flex, ESP and in-process parties."""

    user_id: str
    info: UserInfo
    visibility: str = ALL
    connection: int | None = None

    @property
    def version(self) -> int:
        """The ClientVersion this party gets."""
        return self.info.client_version or HIGHEST

    @property
    def counts(self) -> bool:
        """Tell whether this party keeps a session open: not a silent monitor, not the workflow, not the server.

        That a VIP monitor does not is ASM (section 7, open).
        """
        return self.visibility != VIP and self.info.protocol_type not in {ESP, NONE}

    @property
    def is_agent(self) -> bool:
        """Tell whether after-action CloseIfNoAgents counts this party as an agent (VIP is not: ASM)."""
        return self.info.user_type in {AGENT, SUPERVISOR} and self.visibility != VIP


def sees(user_type: str, user_id: str, event: ChatEvent) -> bool:
    """Tell whether a viewer is shown an event: direct ones go to sender and recipient only, supervisors included."""
    if event.receiver_id is not None:
        return user_id in (event.receiver_id, event.user_id)
    return user_type in VIEWERS.get(event.visibility, VIEWERS[VIP])


def may_join(user_type: str, visibility: str) -> bool:
    """Tell whether this user type may join so; user types we do not know may use ALL."""
    return visibility in MAY_USE.get(user_type, MAY_USE[CLIENT])


def may_send(party: SessionParty, visibility: str) -> bool:
    """Tell whether a party may send at this visibility: never more openly than its own mode, a silent monitor never.

    D13 says so for the vendor's web services; that the server itself enforces it is ASM.
    """
    if party.visibility == VIP and party.info.protocol_type == BASIC:
        return False
    return may_join(party.info.user_type, visibility) and _OPENNESS.get(visibility, 2) <= _OPENNESS.get(
        party.visibility, 2
    )


def party_attributes(user_data: Items) -> Items:
    """Return the eventAttributes a newParty carries: a bot that says so is marked (3.8, R1)."""
    if find(user_data, "GCTI_Chat_SetPartyStyle") != "BOT":
        return []
    style = Item("style", value="BOT")
    return [Item("GCTI_SYSTEM", KVLIST, [Item("party-info", KVLIST, [style])])]
