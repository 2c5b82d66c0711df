"""The parties of one chat as its records show them: a party is on every event, and seldom changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.records.binary import NULL, SOME
from bridge.records.blocks import party_block
from bridge.transcript.events import PROTOCOL_TYPES, USER_TYPES

if TYPE_CHECKING:
    from bridge.records.field_texts import FieldTexts
    from bridge.records.redactor import Redaction
    from bridge.transcript.entries import Party

_KNOWN_PARTIES: Final = 64


class PartyBlocks:
    """Encodes parties, redacted, and remembers what became of them."""

    __slots__ = ("_known", "_redactor")

    def __init__(self, redactor: FieldTexts) -> None:
        """Know no party yet."""
        self._known: dict[str, tuple[Party, bytes, list[Redaction]]] = {}
        self._redactor = redactor

    def forget(self) -> None:
        """Encode every party again: the rules have changed."""
        self._known.clear()

    def block(self, party: Party | None, done: list[Redaction]) -> bytes:
        """Return the field `party` of an event encoded, and append to `done` what was redacted in it."""
        if party is None:
            return NULL
        kept = self._known.get(party.user_id)
        if kept is None or (kept[0] is not party and kept[0] != party):
            kept = self._keep(party)
        done += kept[2]
        return kept[1]

    def _keep(self, party: Party) -> tuple[Party, bytes, list[Redaction]]:
        done: list[Redaction] = []
        redactor = self._redactor
        shown = replace(
            party,
            nickname=party.nickname and redactor.text("party.nickname", party.nickname, done),
            user_type=redactor.word("party.userType", party.user_type, USER_TYPES, done),
            protocol_type=redactor.word("party.protocolType", party.protocol_type, PROTOCOL_TYPES, done),
            person_id=party.person_id and redactor.text("party.personId", party.person_id, done),
        )
        if len(self._known) >= _KNOWN_PARTIES and party.user_id not in self._known:
            self._known.clear()  # P6: a flood of parties costs time, not memory
        kept = self._known[party.user_id] = (party, SOME + party_block(shown), done)
        return kept
