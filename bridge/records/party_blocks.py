"""The parties of one chat as its records show them: a party is on every event, and seldom changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.records.binary import NULL, SOME
from bridge.records.blocks import party_block
from bridge.transcript.events import PROTOCOL_TYPES, USER_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bridge.records.field_texts import FieldTexts
    from bridge.records.redactor import Redaction
    from bridge.transcript.entries import Party

_KNOWN_PARTIES: Final = 16
_NOTHING_DONE: Final[Mapping[int, Sequence[Redaction]]] = {}


class PartyBlocks:
    """Encodes parties, redacted, and remembers what became of them."""

    __slots__ = ("_blocks", "_done", "_parties", "_redactor")

    def __init__(self, redactor: FieldTexts) -> None:
        """Know no party yet."""
        # Lists, as a chat has few parties: a dictionary of them takes three times the memory.
        self._parties: list[Party] = []
        self._blocks: list[bytes] = []
        self._done = _NOTHING_DONE  # place -> what was redacted in this party, if anything
        self._redactor = redactor

    def forget(self) -> None:
        """Encode every party again when it is asked for."""
        self._parties, self._blocks, self._done = [], [], _NOTHING_DONE

    def block(self, party: Party | None, done: list[Redaction]) -> bytes:
        """Return the field `party` of an event encoded, and append to `done` what was redacted in it."""
        if party is None:
            return NULL
        at = 0
        for known in self._parties:
            if known is party:
                break
            at += 1
        else:
            at = self._place(party)
        if self._done:
            done += self._done.get(at, ())
        return self._blocks[at]

    def _place(self, party: Party) -> int:
        """Return where the block of a party is that is not known, or known as another object."""
        for at, known in enumerate(self._parties):
            if known.user_id == party.user_id:
                if known != party:
                    self._blocks[at] = self._encoded(party, at)
                    self._parties[at] = party
                return at
        if len(self._parties) >= _KNOWN_PARTIES:
            self.forget()  # P6: a flood of parties costs time, not memory
        at = len(self._blocks)
        self._blocks.append(self._encoded(party, at))
        self._parties.append(party)
        return at

    def _encoded(self, party: Party, at: int) -> bytes:
        """Encode the party of a place, and remember what was redacted in it."""
        done: list[Redaction] = []
        redactor = self._redactor
        nickname = party.nickname and redactor.text("party.nickname", party.nickname, done)
        user_type = redactor.word("party.userType", party.user_type, USER_TYPES, done)
        protocol_type = redactor.word("party.protocolType", party.protocol_type, PROTOCOL_TYPES, done)
        person_id = party.person_id and redactor.text("party.personId", party.person_id, done)
        shown = (nickname, user_type, protocol_type, person_id)
        if shown != (party.nickname, party.user_type, party.protocol_type, party.person_id):
            party = replace(
                party, nickname=nickname, user_type=user_type, protocol_type=protocol_type, person_id=person_id
            )
        block = SOME + party_block(party)
        if done or at in self._done:
            self._done = {**self._done, at: done}
        return block
