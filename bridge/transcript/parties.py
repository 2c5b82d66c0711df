"""The parties of a chat, as far as their newParty was seen, for the events that carry a userId only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.transcript.entries import Party
from bridge.transcript.events import BASIC, NEW_PARTY, USER_UPDATE_NICK, is_marked_bot
from bridge.transcript.words import WORDS

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent, NoticeText

MAX_PARTIES: Final = 512
"""Limit for the parties of a chat that are remembered; events of a further party carry its userId only (P6)."""
FEW_PARTIES: Final = 8
"""Up to so many, a party is looked for one by one: a dictionary takes 250 bytes in each chat."""
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
_BY_ONE: Final = {event_id: SetBy(event_id, event_id) for event_id in range(-2, 256)}
"""By id of an event that set all, or what stands for none: most parties join early, and all chats share these."""


def set_by_events(nickname: int, others: int) -> SetBy:
    """Return which events set what is known of a party; the same object where many parties have the same."""
    shared = _BY_ONE.get(others) if nickname == others else None
    return SetBy(nickname, others) if shared is None else shared


class Parties:
    """The parties by userId. `changes` counts what was put in or replaced.

    Events come late and amended: what is remembered is what the event with the highest id set, in whatever order they
    came.
    """

    __slots__ = ("_characters", "_known", "_places", "_set_by", "changes")

    def __init__(self, known: list[Party] | None = None, set_by: list[SetBy] | None = None) -> None:
        """Start from what `known` and `set_by` returned; the second may be shorter."""
        self._known = known or []
        self._set_by = set_by or []
        if len(self._set_by) < len(self._known):
            self._set_by = [*self._set_by, *[_BY_NONE] * (len(self._known) - len(self._set_by))]
        self._places: dict[str, int] | None = None  # of few parties there is none
        self._index()
        self._characters = sum(party.characters for party in self._known)
        self.changes = 0

    def _index(self) -> None:
        if len(self._known) > FEW_PARTIES:
            self._places = {party.user_id: place for place, party in enumerate(self._known, 1)}

    def place(self, user_id: str) -> int:
        """Return where a party stands among those known, from 1, where it stays; 0 if it is not remembered."""
        if self._places is not None:
            return self._places.get(user_id, 0)
        for place, party in enumerate(self._known, 1):
            if party.user_id == user_id:
                return place
        return 0

    def known(self) -> list[Party]:
        """Return the parties in order of appearance. The list never changes, and is not to be changed."""
        return self._known

    def _party(self, user_id: str) -> Party | None:
        place = self.place(user_id)
        return self._known[place - 1] if place else None

    def _set_of(self, user_id: str) -> SetBy:
        place = self.place(user_id)
        return self._set_by[place - 1] if place else _BY_NONE

    def type_of(self, user_id: str) -> str | None:
        """Return a party's user type; None if it is not known."""
        known = self._party(user_id)
        return None if known is None else known.user_type

    def able_to_whisper(self) -> int:
        """Count those that can take part in a direct message: none of whom another protocol than BASIC is known.

        That an event names somebody does not show that they were in the chat.
        """
        return sum(
            party.protocol_type in (None, "", BASIC) and set_by != _MENTIONED
            for party, set_by in zip(self._known, self._set_by, strict=True)
        )

    def set_by(self) -> list[SetBy]:
        """Return which events set what is known of each, in the same order, as a list like that of `known`."""
        return self._set_by

    def place_of_mentioned(self, user_id: str) -> int:
        """Return the place of a party that an event names beside its author; 0 if there is no room to remember it."""
        place = self.place(user_id)
        if not place:
            self._remember(Party(user_id=user_id), _MENTIONED)
            place = self.place(user_id)
        return place

    def party_of(self, event: ChatEvent) -> Party:
        """Return the party that the event is about, and remember it: one that joins, else the author.

        One that joins is returned as its event has it, whatever newer events said.
        """
        info = event.user_info
        if event.event_type == NEW_PARTY and info is not None:
            party = Party(
                user_id=event.user_id,
                nickname=info.user_nickname,
                user_type=WORDS.get(info.user_type, info.user_type),
                protocol_type=WORDS.get(info.protocol_type, info.protocol_type),
                person_id=info.person_id,
                time_zone_offset=info.time_zone_offset,
                client_version=info.client_version,
                bot=True if is_marked_bot(event) else None,
            )
            self._joined(party, event.event_id)
            return party
        place = self.place(event.user_id)
        if not place:  # its newParty was never seen: the id is all that is certain
            known = Party(user_id=event.user_id)
            self._remember(known, _BY_NONE)
            return known
        known = self._known[place - 1]
        if self._set_by[place - 1] == _MENTIONED:
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
        party, set_by = self._party(event.user_id), self._set_of(event.user_id)
        if party is not None and event.event_id >= set_by.nickname:
            self._remember(replace(party, nickname=notice.text), SetBy(event.event_id, set_by.others))

    def _joined(self, party: Party, event_id: int) -> None:
        before, set_by = self._party(party.user_id), self._set_of(party.user_id)
        if before is None or event_id >= max(set_by):
            self._remember(party, set_by_events(event_id, event_id))
        elif event_id >= set_by.others:
            self._remember(replace(party, nickname=before.nickname), SetBy(set_by.nickname, event_id))
        elif event_id >= set_by.nickname:
            self._remember(replace(before, nickname=party.nickname), SetBy(event_id, set_by.others))

    def _remember(self, party: Party, set_by: SetBy) -> None:
        place = self.place(party.user_id)
        before = self._known[place - 1] if place else None
        characters = self._characters + party.characters - (0 if before is None else before.characters)
        if characters > MAX_PARTY_CHARACTERS or (not place and len(self._known) >= MAX_PARTIES):
            return
        if not place:
            self._known, self._set_by = [*self._known, party], [*self._set_by, set_by]
            if self._places is None:
                self._index()
            else:
                self._places[party.user_id] = len(self._known)
        else:
            self._known, self._set_by = self._known.copy(), self._set_by.copy()
            self._known[place - 1], self._set_by[place - 1] = party, set_by
        self._characters = characters
        self.changes += 1
