"""The parties of a chat, as far as their newParty was seen, for the events that carry a userId only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.transcript.entries import Party
from bridge.transcript.events import NEW_PARTY, USER_UPDATE_NICK, is_marked_bot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.transcript.events import ChatEvent, NoticeText

MAX_PARTIES: Final = 512
"""Limit for the parties of a chat that are remembered; events of a further party carry its userId only (P6)."""
MAX_PARTY_CHARACTERS: Final = 100_000
"""Limit for the texts of all of them together; a party beyond it is not remembered either."""


class Parties:
    """The parties by userId. `changes` counts what was put in or replaced."""

    __slots__ = ("_by_id", "_characters", "changes")

    def __init__(self, known: Iterable[Party] = ()) -> None:
        """Start from what `known` returned."""
        self._by_id = {party.user_id: party for party in known}
        self._characters = sum(party.characters for party in self._by_id.values())
        self.changes = 0

    def known(self) -> list[Party]:
        """Return the parties in order of appearance."""
        return list(self._by_id.values())

    def party_of(self, event: ChatEvent) -> Party:
        """Return the party that the event is about, and remember it: one that joins, else the author."""
        info = event.user_info
        if event.event_type == NEW_PARTY and info is not None:
            party = Party(
                user_id=event.user_id,
                nickname=info.user_nickname,
                user_type=info.user_type,
                protocol_type=info.protocol_type,
                person_id=info.person_id,
                time_zone_offset=info.time_zone_offset,
                client_version=info.client_version,
                bot=True if is_marked_bot(event) else None,
            )
            self._remember(party)
            return party
        known = self._by_id.get(event.user_id)
        if known is None:  # its newParty was never seen: the id is all that is certain
            known = Party(user_id=event.user_id)
            self._remember(known)
        return known

    def apply_rename(self, party: Party, notice: NoticeText) -> None:
        """Remember the new nickname if the notice of this party sets one: it holds for the events that follow."""
        if notice.notice_type == USER_UPDATE_NICK and notice.text:
            self._remember(replace(party, nickname=notice.text))

    def _remember(self, party: Party) -> None:
        before = self._by_id.get(party.user_id)
        characters = self._characters + party.characters - (0 if before is None else before.characters)
        if characters <= MAX_PARTY_CHARACTERS and (before is not None or len(self._by_id) < MAX_PARTIES):
            self._by_id[party.user_id] = party
            self._characters = characters
            self.changes += 1
