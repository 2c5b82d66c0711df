"""The parties of a chat, as far as their newParty was seen, for the events that carry a userId only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.transcript.entries import Party
from bridge.transcript.events import BASIC, NEW_PARTY, USER_UPDATE_NICK, is_marked_bot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.transcript.events import ChatEvent, NoticeText

MAX_PARTIES: Final = 512
"""Limit for the parties of a chat that are remembered; events of a further party carry its userId only (P6)."""
MAX_PARTY_CHARACTERS: Final = 100_000
"""Limit for the texts of all of them together; a party beyond it is not remembered either."""


class SetBy(NamedTuple):
    """Ids of the events that set what is known of a party: its nickname, and all else; -1 when none did.

    Both are -2 of a party that other parties' events named, and that no event was about.
    """

    nickname: int = -1
    others: int = -1


_BY_NONE: Final = SetBy()
_MENTIONED: Final = SetBy(-2, -2)


class Parties:
    """The parties by userId. `changes` counts what was put in or replaced.

    `places` says where each stands among those known, from 1; it stays there. Not to be changed by the caller.

    Events come late and amended: what is remembered is what the event with the highest id set, in whatever order they
    came.
    """

    __slots__ = ("_by_id", "_characters", "_set_by", "changes", "places")

    def __init__(self, known: Iterable[Party] = (), set_by: Iterable[SetBy] = ()) -> None:
        """Start from what `known` and `set_by` returned."""
        self._by_id = {party.user_id: party for party in known}
        self.places = {user_id: place for place, user_id in enumerate(self._by_id, 1)}
        self._set_by = dict(zip(self._by_id, set_by, strict=False))
        self._characters = sum(party.characters for party in self._by_id.values())
        self.changes = 0

    def known(self) -> list[Party]:
        """Return the parties in order of appearance."""
        return list(self._by_id.values())

    def type_of(self, user_id: str) -> str | None:
        """Return a party's user type; None if it is not known."""
        known = self._by_id.get(user_id)
        return None if known is None else known.user_type

    def able_to_whisper(self) -> int:
        """Count those that can take part in a direct message: none of whom another protocol than BASIC is known.

        That an event names somebody does not show that they were in the chat.
        """
        return sum(
            party.protocol_type in (None, "", BASIC) and self._set_by.get(user_id) != _MENTIONED
            for user_id, party in self._by_id.items()
        )

    def set_by(self) -> list[SetBy]:
        """Return which events set what is known of each, in the same order."""
        return [self._set_by.get(user_id, _BY_NONE) for user_id in self._by_id]

    def place_of_mentioned(self, user_id: str) -> int:
        """Return the place of a party that an event names beside its author; 0 if there is no room to remember it."""
        if user_id not in self._by_id:
            self._remember(Party(user_id=user_id), _MENTIONED)
        return self.places.get(user_id, 0)

    def party_of(self, event: ChatEvent) -> Party:
        """Return the party that the event is about, and remember it: one that joins, else the author.

        One that joins is returned as its event has it, whatever newer events said.
        """
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
            self._joined(party, event.event_id)
            return party
        known = self._by_id.get(event.user_id)
        if known is None:  # its newParty was never seen: the id is all that is certain
            known = Party(user_id=event.user_id)
            self._remember(known, _BY_NONE)
        elif self._set_by.get(event.user_id) == _MENTIONED:
            self._remember(known, _BY_NONE)
        return known

    def learn(self, event: ChatEvent) -> None:
        """Remember what an event says of its party, without a record of it."""
        self.party_of(event)
        if event.notice_text is not None:
            self.apply_rename(event, event.notice_text)

    def apply_rename(self, event: ChatEvent, notice: NoticeText) -> None:
        """Remember the new nickname if the notice sets one: it holds for the records that follow."""
        if notice.notice_type != USER_UPDATE_NICK or not notice.text:
            return
        party = self._by_id.get(event.user_id)
        set_by = self._set_by.get(event.user_id, _BY_NONE)
        if party is not None and event.event_id >= set_by.nickname:
            self._remember(replace(party, nickname=notice.text), SetBy(event.event_id, set_by.others))

    def _joined(self, party: Party, event_id: int) -> None:
        before = self._by_id.get(party.user_id)
        set_by = self._set_by.get(party.user_id, _BY_NONE)
        if before is None or event_id >= max(set_by):
            self._remember(party, SetBy(event_id, event_id))
        elif event_id >= set_by.others:
            self._remember(replace(party, nickname=before.nickname), SetBy(set_by.nickname, event_id))
        elif event_id >= set_by.nickname:
            self._remember(replace(before, nickname=party.nickname), SetBy(event_id, set_by.others))

    def _remember(self, party: Party, set_by: SetBy) -> None:
        before = self._by_id.get(party.user_id)
        characters = self._characters + party.characters - (0 if before is None else before.characters)
        if characters <= MAX_PARTY_CHARACTERS and (before is not None or len(self._by_id) < MAX_PARTIES):
            self._by_id[party.user_id] = party
            if before is None:
                self.places[party.user_id] = len(self._by_id)
            self._set_by[party.user_id] = set_by
            self._characters = characters
            self.changes += 1
