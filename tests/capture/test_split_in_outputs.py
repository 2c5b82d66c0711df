"""Numbers that are split over messages, in the outputs of a chat: what is undone, folded again or restored."""

from __future__ import annotations

from typing import Final

import pytest

from bridge.records.normalise import Recording
from bridge.transcript.gap_codes import TOO_LARGE
from tests.capture.test_outputs import said_in
from tests.capture.test_session_store import NOW, SCHEMAS
from tests.capture.two_outputs import AUDIT, AUDIT_PREFIX, CARD_RULE, SMALL, WHOLE, RecordedOutputs
from tests.capture.written_topics import output
from tests.model.failing_redactor import FailingRedactor
from tests.model.true_chat import DEFECT
from tests.support.core_forms import replaces_a_part
from tests.transcript.build import CHAT, history, joined, push, said

FIRST: Final = "it is 4111 1111"
SECOND: Final = "1111 1111"
MASKED: Final = "*" * len(SECOND)
A_SECOND: Final = 1_000_000


def earlier_records(shard: RecordedOutputs) -> list[list[str]]:
    """Return the records that each redaction names."""
    return [one["earlier"] for record in shard.masked.records() for one in record["redactions"]]


@pytest.mark.parametrize("restarted", [False, True])
def test_only_the_output_with_the_rule_masks_the_second_part(restarted: bool) -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2, FIRST)))
    if restarted:
        shard.restart()
    shard.fold(push(said(3, SECOND)))
    assert said_in(shard.whole) == [FIRST, SECOND]
    assert said_in(shard.masked) == [FIRST, MASKED]
    assert earlier_records(shard) == [[f"{CHAT}:2"]]
    shard.nothing_broken()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_part_that_is_told_again_is_masked_again(restarted: bool) -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2, FIRST), said(3, SECOND), said(4)))
    if restarted:
        shard.restart()
    shard.fold(history(joined(1), said(2, FIRST), said(3, f"{SECOND}!"), said(4)))
    assert said_in(shard.masked) == [FIRST, MASKED, "hello", f"{MASKED}!"]


def test_a_batch_that_is_folded_again_after_an_abort_has_the_same_records() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2, FIRST)))
    lost = shard.store.fold([push(said(3, SECOND), said(4, FIRST))], NOW)
    shard.restart()
    again = shard.fold(push(said(3, SECOND), said(4, FIRST)))
    assert again.batch.on(shard.masked.output.topics["events"]) == lost.batch.on(shard.masked.output.topics["events"])
    shard.fold(push(said(5, SECOND)))
    assert said_in(shard.masked) == [FIRST, MASKED, FIRST, MASKED]


@replaces_a_part
def test_an_input_that_a_defect_breaks_takes_no_part_with_it() -> None:
    broken = output(Recording(SCHEMAS, FailingRedactor([CARD_RULE])), AUDIT_PREFIX, AUDIT, "audit.")
    shard = RecordedOutputs(WHOLE, broken)
    shard.fold(history(joined(1), said(2, FIRST)))
    shard.fold(push(said(3, "no number"), said(4, DEFECT)))
    shard.fold(push(said(5, SECOND)))
    assert said_in(shard.masked) == [FIRST, MASKED]


def test_a_message_that_is_too_large_for_an_output_is_none_of_its_messages() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2, FIRST), said(3, "long " * SMALL), said(4, SECOND)))
    assert [record["gap"]["code"] for record in shard.masked.records() if record["gap"]] == [TOO_LARGE]
    assert said_in(shard.masked) == [FIRST, MASKED]


def test_the_checkpoint_holds_other_digits_and_nothing_for_an_output_without_the_rule() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2, "4539 1488 0343")))
    assert not any(b"1488" in value or b"0343" in value for value in shard.topic.values.values())
    shard.restart()
    whole, masked = shard.store.chats[CHAT].outputs
    assert whole.recorder.numbers == ()
    assert [number.stand_in for number in masked.recorder.numbers] == ["4539 0000 0062"]


def test_an_output_that_lost_its_rule_forgets_what_has_begun() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2, FIRST)))
    plain = output(Recording(SCHEMAS, WHOLE.recording.redactor), AUDIT_PREFIX, AUDIT, "audit.")
    shard.restart(WHOLE, plain)
    shard.fold(push(said(3, SECOND)))
    assert said_in(shard.masked) == [FIRST, SECOND]


def test_a_chat_that_ended_a_while_ago_remembers_none() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2, FIRST), over=True))
    shard.fold(now=NOW + 120 * A_SECOND)
    assert CHAT not in shard.store.chats
    assert [b"4111" in value for key, value in shard.topic.values.items() if key.startswith(CHAT)] == [False]
    shard.fold(history(joined(1), said(2, FIRST), said(3, SECOND), over=True), now=NOW + 180 * A_SECOND)
    assert said_in(shard.masked) == [FIRST, SECOND]
    shard.nothing_broken()
