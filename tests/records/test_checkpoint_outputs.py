"""What checkpoints hold of each output: where the chain stands there, and which records are a GAP there only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from bridge.records.checkpoint import CheckpointHead
from bridge.records.checkpoint_parts import CheckpointParts
from bridge.records.output_chains import DEFAULT_OUTPUT, OutputChain, OutputGap
from bridge.transcript.entries import Gap
from tests.records.record_strategies import SESSION, folds, heads, output_gaps
from tests.records.test_checkpoint import FOLD, SITE, STAMP, TopicOfAChat, read, written

if TYPE_CHECKING:
    from bridge.transcript.state import TranscriptState

AUDIT = OutputChain("audit", 4, b"h" * 32)
LATE_DEFAULT = OutputChain(DEFAULT_OUTPUT, 7, b"d" * 32)
TOO_LARGE = OutputGap("audit", 5, "MESSAGE", None, Gap(9, 9, None, "TOO_LARGE", "a sentence"))


@pytest.mark.parametrize(
    ("head", "chains", "expected"),
    [
        (b"c" * 32, [], [OutputChain(DEFAULT_OUTPUT, 1, b"c" * 32)]),
        (b"c" * 32, [AUDIT], [OutputChain(DEFAULT_OUTPUT, 1, b"c" * 32), AUDIT]),
        (b"", [AUDIT], [AUDIT]),
        (b"", [LATE_DEFAULT, AUDIT], [LATE_DEFAULT, AUDIT]),
    ],
)
def test_a_head_tells_the_chain_of_each_output(
    head: bytes, chains: list[OutputChain], expected: list[OutputChain]
) -> None:
    stored = read(written(CheckpointHead("FOLLOWED", 9, 0, head, {}, None, 1, STAMP, chains=chains), FOLD, []))
    assert stored.head is not None
    assert stored.head.all_chains() == expected


def test_gaps_of_one_output_are_written_when_there_are_others() -> None:
    topic = TopicOfAChat()
    topic.write(FOLD)
    assert topic.write(FOLD, output_gaps=[TOO_LARGE]) == ["#s", ""]
    assert topic.write(FOLD, output_gaps=[TOO_LARGE]) == [""]
    assert topic.restarted().write(FOLD, output_gaps=[TOO_LARGE]) == [""]
    assert topic.restarted().write(FOLD, output_gaps=[replace(TOO_LARGE, output="other")]) == ["#s", ""]
    assert read(topic.values.items()).output_gaps == [replace(TOO_LARGE, output="other")]


@given(heads, folds, output_gaps)
def test_they_are_kept_of_a_chat_that_ended_without_their_sentences(
    head: CheckpointHead, fold: TranscriptState, own: list[OutputGap]
) -> None:
    session = read([CheckpointParts(SESSION, SITE).closed(head, fold, [], own)])
    assert session.output_gaps == [replace(one, gap=replace(one.gap, detail=None)) for one in own]
    assert session.head is not None
    assert session.head.chains == head.chains
