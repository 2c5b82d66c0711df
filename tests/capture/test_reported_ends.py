"""Whatever reports the end of a chat lets the source forget it, in whatever state the shard has the chat."""

from __future__ import annotations

import pytest

from bridge.capture.chat import FOLLOWED, GIVEN_UP, OVER
from bridge.transcript.updates import JoinRefused, TranscriptUpdate, Verdict
from tests.capture.recorded_shard import RecordedShard
from tests.capture.test_session_store import NOW, SECOND
from tests.support.reasons import A_REFUSAL
from tests.transcript.build import CHAT, history, joined, push, said

FORGOTTEN = "over, and its content is forgotten"
UNKNOWN = "never announced"


def refused(verdict: Verdict) -> JoinRefused:
    return JoinRefused(CHAT, 201, A_REFUSAL, verdict, NOW)


def in_state(state: str) -> RecordedShard:
    shard = RecordedShard()
    if state == UNKNOWN:
        shard.topic.values.clear()
        shard.restarted()
    else:
        shard.fold(history(joined(1)))
    if state in (OVER, FORGOTTEN):
        shard.fold(push(said(2), over=True))
    if state == FORGOTTEN:
        shard.now += 120 * SECOND
        shard.fold()
        assert CHAT not in shard.store.chats
    if state == GIVEN_UP:
        shard.fold(refused(Verdict.NEVER))
    return shard


@pytest.mark.parametrize("state", [FOLLOWED, OVER, GIVEN_UP, FORGOTTEN, UNKNOWN])
@pytest.mark.parametrize(
    "end", [refused(Verdict.GONE), refused(Verdict.NEVER), push(said(3), over=True), history(joined(1), over=True)]
)
def test_the_source_forgets_a_chat_whose_end_it_reported(state: str, end: TranscriptUpdate | JoinRefused) -> None:
    assert in_state(state).fold(end).forget == [CHAT]


@pytest.mark.parametrize("state", [FOLLOWED, OVER, GIVEN_UP, FORGOTTEN, UNKNOWN])
@pytest.mark.parametrize("other", [refused(Verdict.RETRY), push(said(3))])
def test_it_remembers_one_of_which_it_reported_no_end(state: str, other: TranscriptUpdate | JoinRefused) -> None:
    assert in_state(state).fold(other).forget == []
