"""Checkpoints are gone, or behind: each output's chain goes on where its own records end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from bridge.capture.inbox import Forgotten
from bridge.capture.published_outputs import PublishedOutputs
from bridge.capture.record_comparison import RecordComparison
from bridge.capture.session_store import SessionStore
from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.selection import Where
from bridge.transcript.entries import COMPLETE, COMPLETE_WITH_EXPECTED_HOLES, GAP
from bridge.transcript.gap_codes import EVENTS_LOST, OUTPUT_ADDED, TOO_LARGE
from tests.capture.test_session_store import NOW, SCHEMAS, announcement
from tests.capture.two_outputs import BOTH, MASKED, PARTITION, SMALL, WHOLE, RecordedOutputs, settings_of
from tests.transcript.build import CHAT, history, joined, left, push, said

if TYPE_CHECKING:
    from bridge.capture.outputs import Output
    from bridge.capture.record_comparison import Rebuilt

LONG: Final = "long " * SMALL
MESSAGES: Final = replace(MASKED, where=Where(kind=("MESSAGE",)))
NORTH: Final = replace(MASKED, where=Where(tenant=("north",)))
SOUTH: Final = replace(WHOLE, where=Where(tenant=("south",)))


def compared(
    shard: RecordedOutputs,
    store: SessionStore,
    outputs: tuple[Output, ...],
    *,
    since: tuple[int, int] | None = None,
    new: str = "",
) -> Rebuilt:
    """Compare a store with all records, or the events since these; `new` is an output that was none before."""
    published = PublishedOutputs(outputs, store.position)
    written = {WHOLE.name: shard.whole, MASKED.name: shard.masked}
    for output, after in zip(outputs, since or (0, 0), strict=True):
        for payload in written[output.name].events[after:]:
            published.event(output, SCHEMAS.decode(TRANSCRIPT_EVENT, payload), new=output.name == new)
    for output in outputs:
        for payload in written[output.name].sessions:
            published.session(output, SCHEMAS.decode(SESSION_RECORD, payload), new=output.name == new)
    comparison = RecordComparison(published, whole=since is None)
    return comparison.with_store(store.chats, store.closed, store.incomplete)


def without_checkpoints(shard: RecordedOutputs, outputs: tuple[Output, ...]) -> Rebuilt:
    """Let a shard go on with nothing but its records."""
    store = SessionStore(PARTITION, settings_of(*outputs))
    found = compared(shard, store, outputs)
    store.adopt([*found.chats, *found.over])
    shard.topic.values.clear()
    shard.store = store
    return found


@pytest.mark.parametrize("outputs", [BOTH, (MASKED, WHOLE), (WHOLE, MESSAGES), (MESSAGES, WHOLE)])
def test_both_chains_go_on_when_checkpoints_are_gone(outputs: tuple[Output, ...]) -> None:
    shard = RecordedOutputs(*outputs)
    shard.fold(history(joined(1), said(2, "one")), push(said(3, "two"), left(4)))
    found = without_checkpoints(shard, outputs)
    assert (found.without_place, found.without_records) == ({CHAT}, set())
    shard.fold(announcement(offset=7), Forgotten(NOW, without_place=frozenset({CHAT})))
    shard.restart(*outputs)
    shard.fold(history(joined(1), said(2, "one"), said(3, "two"), left(4), said(5)))
    shard.fold(push(said(6), over=True))
    kinds = ["PARTY_JOINED", "MESSAGE", "MESSAGE", "PARTY_LEFT", "RESUMED", "MESSAGE", "MESSAGE"]
    everything = list(enumerate(kinds, 1))
    assert shard.whole.outline() == everything
    part = MESSAGES in outputs
    assert shard.masked.outline() == [
        (at, kind) for at, kind in everything if not part or kind in {"MESSAGE", "RESUMED"}
    ]
    assert [one["verdict"] for one in shard.whole.certificates()] == [COMPLETE]
    verdict = COMPLETE_WITH_EXPECTED_HOLES if part else COMPLETE
    assert [one["verdict"] for one in shard.masked.certificates()] == [verdict]
    shard.nothing_broken()


def test_what_is_a_gap_in_one_output_only_stays_so() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2, LONG), said(3)))
    without_checkpoints(shard, BOTH)
    shard.fold(announcement(offset=7), history(joined(1), said(2, LONG), said(3), said(4)))
    shard.fold(push(said(5), over=True))
    assert shard.whole.certificates()[0]["verdict"] == COMPLETE
    assert [gap["code"] for gap in shard.masked.certificates()[0]["gaps"]] == [TOO_LARGE]
    shard.nothing_broken()


def test_chats_that_no_output_holds_whole_are_made_again_from_all_of_them() -> None:
    outputs = (SOUTH, NORTH)
    shard = RecordedOutputs(*outputs)
    shard.fold(announcement(offset=1, tenant="north"), history(joined(1), said(2)))
    shard.fold(announcement(offset=2, tenant="south"), push(said(3), said(4)))
    found = without_checkpoints(shard, outputs)
    assert (found.without_place, found.without_records) == ({CHAT}, set())
    shard.fold(announcement(offset=2, tenant="south"))
    shard.fold(history(joined(1), said(2), said(3), said(4), said(5), over=True))
    assert shard.masked.outline() == [(1, "PARTY_JOINED"), (2, "MESSAGE")]
    assert shard.whole.outline() == [(2, GAP), (3, "MESSAGE"), (4, "MESSAGE"), (5, "RESUMED"), (6, "MESSAGE")]
    shard.nothing_broken()


def test_a_chat_that_is_over_is_continued_in_both_outputs() -> None:
    shard = RecordedOutputs(WHOLE, MESSAGES)
    shard.fold(history(joined(1), said(2), left(3), over=True))
    without_checkpoints(shard, (WHOLE, MESSAGES))
    shard.fold()
    shard.fold(push(said(4)))
    assert shard.whole.outline()[3:] == [(4, "MESSAGE")]
    assert shard.masked.outline() == [(2, "MESSAGE"), (4, "MESSAGE")]
    assert [one["supersedes"] for one in shard.whole.certificates()] == [None, 3]
    assert [one["supersedes"] for one in shard.masked.certificates()] == [None, 2]
    shard.nothing_broken()


@pytest.mark.parametrize("outputs", [BOTH, (WHOLE, MESSAGES)])
@pytest.mark.parametrize("known", ["all", "the end"])
def test_what_was_published_beyond_a_checkpoint_counts_in_each_output(outputs: tuple[Output, ...], known: str) -> None:
    shard = RecordedOutputs(*outputs)
    shard.fold(history(joined(1), said(2)))
    behind, since = dict(shard.topic.values), (len(shard.whole.events), len(shard.masked.events))
    shard.fold(push(said(3, LONG), left(4), said(5)), push(said(5, "changed")))
    shard.topic.values = behind
    shard.restart(*outputs)
    found = compared(shard, shard.store, outputs, since=since if known == "the end" else None)
    assert found.without_records == set()
    shard.store.adopt([*found.chats, *found.over])
    shard.fold(push(said(6)))
    shard.restart(*outputs)
    shard.fold(push(said(7), over=True))
    assert [code for code, _ in shard.whole.outline()] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [one["amendments"] for one in (*shard.whole.certificates(), *shard.masked.certificates())] == [1, 1]
    shard.nothing_broken()


def test_an_output_that_was_none_for_a_while_goes_on_in_its_chain() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2)))
    shard.restart(WHOLE)
    shard.fold(push(said(3), said(4)))
    shard.restart(*BOTH)
    found = compared(shard, shard.store, BOTH, since=(len(shard.whole.events), 0), new=MASKED.name)
    shard.store.adopt([*found.chats, *found.over])
    shard.fold(push(said(5), over=True))
    assert shard.masked.outline() == [(1, "PARTY_JOINED"), (2, "MESSAGE"), (4, GAP), (5, "MESSAGE")]
    assert [gap["code"] for gap in shard.masked.certificates()[0]["gaps"]] == [OUTPUT_ADDED]
    shard.nothing_broken()


def test_records_that_are_gone_from_one_output_are_told() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2)), push(said(3)))
    del shard.masked.events[:]
    found = compared(shard, shard.store, BOTH)
    assert found.without_records == {CHAT}
    shard.fold(Forgotten(NOW, without_records=frozenset({CHAT})))
    assert shard.whole.records()[-1]["gap"]["code"] == EVENTS_LOST
