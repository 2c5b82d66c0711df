"""What the parties of a chat are to its summary: customers, bots, human agents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.transcript.events import AGENT, CLIENT, SUPERVISOR, USER_TYPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.transcript.entries import Party

BOT: Final = "BOT"
"""A party with the mark of a bot, or an agent without a personId."""
OTHER: Final = "OTHER"
"""A user type that is not known."""
UNKNOWN: Final = "UNKNOWN"
"""A party that was not seen to join."""


class ChatMember(NamedTuple):
    """A party. `role` is one of USER_TYPES, or one of the three above; `person` is the same for all of its instances.

    `guessed`: it is taken for a bot without a mark.
    """

    role: str
    person: str
    user_id: str | None
    guessed: bool = False

    @property
    def speaks(self) -> bool:
        """Whether what it says is an utterance: it is a customer, a bot or a human agent."""
        return self.human or self.role in (CLIENT, BOT)

    @property
    def human(self) -> bool:
        """Whether it is a human agent, if it serves the customer."""
        return self.role in (AGENT, SUPERVISOR)


_NOBODY: Final = ChatMember(UNKNOWN, "", None)


def members(parties: Sequence[Party]) -> list[ChatMember]:
    """Return them by `Parties.place`: a party that is not remembered has place 0."""
    return [_NOBODY, *map(_member, parties)]


def _member(party: Party) -> ChatMember:
    role = UNKNOWN if party.user_type is None else party.user_type if party.user_type in USER_TYPES else OTHER
    # Bots without a mark are agents like others; of human agents personId says who they are, of bots it is empty
    # (R1-R3 OBS).
    guessed = role == AGENT and not party.bot and not party.person_id
    if guessed or (party.bot and role not in (CLIENT, UNKNOWN)):
        role = BOT
    return ChatMember(role, party.person_id or party.user_id, party.user_id, guessed)
