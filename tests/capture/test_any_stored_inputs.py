"""Whatever comes through both doors at once, in whatever order, and whatever fails: nothing twice, nothing unsaid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.transcript import fold
from bridge.transcript.gap_codes import NOT_STORED
from tests.capture.recorded_shard import RecordedShard
from tests.capture.stored_documents_of import document, of_text
from tests.capture.test_any_inputs import EVENTS, OTHERS, failing, updates
from tests.capture.test_session_store import SECOND
from tests.transcript.build import CHAT

_DAMAGE = (
    lambda text: text,
    lambda text: text.replace(b"</message>", b"", 1),
    lambda text: text[: len(text) // 2],
    lambda text: text.replace(b"one", b"\x01", 1),
    lambda text: text.replace(CHAT.encode(), b"0000ANOTHER00001"),
)


@st.composite
def stored_texts(draw: st.DrawFn) -> Any:
    """A stored transcript, perhaps damaged: (document, whether it is the last one)."""
    found = {event.event_id: event for event in draw(st.lists(EVENTS, max_size=8))}
    damage = draw(st.sampled_from([_DAMAGE[0]] * 6 + [*_DAMAGE[1:]]))
    return damage(document(*(found[one] for one in sorted(found)))), draw(st.booleans())


INPUTS = st.lists(st.lists(updates() | OTHERS | stored_texts(), min_size=1, max_size=3), max_size=8)


@given(INPUTS, st.booleans(), st.booleans())
def test_whatever_comes_through_both_doors_verify_finds_nothing_and_a_restart_changes_nothing(
    transactions: list[list[Any]], small: bool, announced: bool
) -> None:
    offset = 0
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fold, "fingerprint", failing)
        limits = 8_000 if small else 1_000_000
        shards = [RecordedShard(limits, announced=announced, given_up_chats=most) for most in (64, 64, 0)]
        for transaction in transactions:
            inputs: list[Any] = []
            for one in transaction:
                if isinstance(one, tuple):
                    offset += 1
                    inputs += of_text(one[0], final=one[1], offset=offset)
                elif not isinstance(one, str):
                    inputs.append(one)
            for shard in shards:
                shard.now += ("wait" in transaction) * 40 * SECOND
                shard.fold(*inputs)
            shards[1].restarted()
            if "restart" in transaction:
                shards[0].restarted()
                shards[2].restarted()
            for other in shards[1:]:
                assert shards[0].events == other.events
                assert shards[0].sessions == other.sessions
                assert shards[0].quarantine == other.quarantine
                assert shards[0].chats() == other.chats()
        assert shards[0].findings() == []
        ids = [record["id"] for record in shards[0].records()]
        assert len(set(ids)) == len(ids)
        assert [record["sequence"] for record in shards[0].records()] == list(range(1, len(ids) + 1))


@given(INPUTS, st.lists(EVENTS, min_size=1, max_size=8), st.booleans())
def test_a_whole_last_text_fills_all_that_it_covers_and_what_is_read_again_changes_nothing(
    transactions: list[list[Any]], events: list[Any], restarts: bool
) -> None:
    shard = RecordedShard()
    for transaction in transactions:
        inputs: list[Any] = []
        for one in transaction:
            inputs += of_text(one[0], final=False) if isinstance(one, tuple) else [] if isinstance(one, str) else [one]
        shard.fold(*inputs)
    found = {event.event_id: event for event in events}
    last = of_text(document(*(found[one] for one in sorted(found))))
    shard.fold(*last)
    there = {record["eventId"] for record in shard.records() if record["eventId"] is not None}
    assert found.keys() <= there
    assert {record["kind"] for record in shard.records() if record["eventId"] in found} <= {
        *("PARTY_JOINED", "MESSAGE", "NOTICE", "PARTY_LEFT")
    }
    reach = max(found)
    for certificate in shard.certificates()[-1:] if shard.store.followed() == [] else ():
        assert [
            gap
            for gap in certificate["gaps"]
            if gap["code"] not in NOT_STORED and gap["toEventId"] is not None and gap["toEventId"] <= reach
        ] == []
    before = (len(shard.events), len(shard.sessions))
    if restarts:
        shard.restarted()
    shard.fold(*last)
    assert (len(shard.events), len(shard.sessions)) == before
    assert shard.findings() == []
