"""What is remembered of a party and what was redacted in it belong together, also when it cannot be encoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.records.party_blocks import PartyBlocks
from bridge.records.redactor import Redactor
from bridge.records.rules import Rule
from bridge.transcript.entries import Party

if TYPE_CHECKING:
    from bridge.records.redactor import Redaction

NO_UNICODE = "\ud800"


def redactions(blocks: PartyBlocks, party: Party) -> list[Redaction]:
    done: list[Redaction] = []
    blocks.block(party, done)
    return done


def test_a_party_that_cannot_be_encoded_leaves_what_was_known_of_it() -> None:
    blocks = PartyBlocks(Redactor((Rule("mail", detector="email"),)))
    before = Party("0F01", nickname="Ada")
    assert redactions(blocks, before) == []
    with pytest.raises(UnicodeEncodeError):
        redactions(blocks, Party("0F01", nickname="ada@example.org", person_id=NO_UNICODE))
    assert redactions(blocks, before) == []
    assert len(redactions(blocks, Party("0F01", nickname="ada@example.org"))) == 1
