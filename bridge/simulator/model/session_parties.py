"""Parties of a session, their permissions, and the visibility rules.

Source codes: D3 protocol elements, D2 functional capabilities, R observed transcripts, ASM an assumption.
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

# User types that see an event of a visibility (4.3: D3; EXTERNAL and SYSTEM as viewers of INT and VIP are ASM).
VIEWERS: Final = {
    ALL: frozenset({CLIENT, AGENT, SUPERVISOR, EXTERNAL, SYSTEM}),
    INT: frozenset({AGENT, SUPERVISOR, EXTERNAL, SYSTEM}),
    VIP: frozenset({SUPERVISOR, EXTERNAL, SYSTEM}),
}

# Visibilities that a user type may join with and send with (4.1: D3).
ALLOWED_VISIBILITIES: Final = {
    CLIENT: frozenset({ALL}),
    AGENT: frozenset({ALL, INT}),
    SUPERVISOR: frozenset({ALL, INT, VIP}),
    EXTERNAL: frozenset({ALL, INT, VIP}),
    SYSTEM: frozenset({ALL, INT, VIP}),
}

_VISIBILITY_RANK: Final = {VIP: 0, INT: 1, ALL: 2}


@dataclass(slots=True, frozen=True)
class PartySpec:
    """A party that is about to join. With an empty `user_id` the server generates one."""

    info: UserInfo
    user_id: str = ""
    visibility: str = ALL
    user_data: Items = field(default_factory=list)
    greeting: MessageText | None = None


@dataclass(slots=True)
class SessionParty:
    """A party in a session. `connection` is None for parties that get no pushes: flex, ESP and in-process ones."""

    user_id: str
    info: UserInfo
    visibility: str = ALL
    connection: int | None = None

    @property
    def version(self) -> int:
        """The ClientVersion for which this party's events are written."""
        return self.info.client_version or HIGHEST

    @property
    def keeps_session_open(self) -> bool:
        """Whether the session stays open while this party is present: not a silent monitor, the workflow, the server.

        That a VIP monitor does not is ASM (section 7, open).
        """
        return self.visibility != VIP and self.info.protocol_type not in {ESP, NONE}

    @property
    def is_agent(self) -> bool:
        """Whether after-action CloseIfNoAgents counts this party as an agent (VIP is not: ASM)."""
        return self.info.user_type in {AGENT, SUPERVISOR} and self.visibility != VIP


def can_see(user_type: str, user_id: str, event: ChatEvent) -> bool:
    """Return whether a viewer may see an event. A direct message is for sender and recipient only, not supervisors."""
    if event.receiver_id is not None:
        return user_id in (event.receiver_id, event.user_id)
    return user_type in VIEWERS.get(event.visibility, VIEWERS[VIP])


def may_join(user_type: str, visibility: str) -> bool:
    """Return whether this user type may join with this visibility; unknown user types may use ALL only."""
    return visibility in ALLOWED_VISIBILITIES.get(user_type, ALLOWED_VISIBILITIES[CLIENT])


def may_send(party: SessionParty, visibility: str) -> bool:
    """Return whether a party may send at this visibility: not wider than its own; a silent monitor never.

    D13 states this for the vendor's web services; that the server itself enforces it is ASM.
    """
    if party.visibility == VIP and party.info.protocol_type == BASIC:
        return False
    return may_join(party.info.user_type, visibility) and _VISIBILITY_RANK.get(visibility, 2) <= _VISIBILITY_RANK.get(
        party.visibility, 2
    )


def party_attributes(user_data: Items) -> Items:
    """Return the eventAttributes of a newParty: a party that declares itself a bot gets style BOT (3.8, R1)."""
    if find(user_data, "GCTI_Chat_SetPartyStyle") != "BOT":
        return []
    style = Item("style", value="BOT")
    return [Item("GCTI_SYSTEM", KVLIST, [Item("party-info", KVLIST, [style])])]
