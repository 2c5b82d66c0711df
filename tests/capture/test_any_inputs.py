"""Whatever comes, in whatever order, and whatever fails: `verify` finds nothing, and nothing depends on a restart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.transcript import fold
from bridge.transcript.events import ChatEvent, NoticeText
from bridge.transcript.fingerprints import fingerprint
from bridge.transcript.updates import Damaged, JoinRefused, LinkDown, QuarantinedInput, Verdict
from tests.capture.recorded_shard import RecordedShard
from tests.capture.test_session_store import NOW, SECOND, announcement
from tests.capture.test_whole_or_not_at_all import DEFECT
from tests.support.reasons import A_REFUSAL, A_RESET, NO_JSON
from tests.transcript.build import ALICE, CHAT, history, joined, left, push, said

USERS = st.sampled_from([ALICE, "00B2"])
IDS = st.integers(1, 14)
EVENTS = st.one_of(
    st.builds(said, IDS, st.sampled_from(["one two", "*** two", "three", "x" * 9000, DEFECT]), USERS),
    st.builds(joined, IDS, USERS),
    st.builds(left, IDS, USERS),
    st.builds(
        lambda event_id, name: ChatEvent("notice", event_id, ALICE, notice_text=NoticeText("USER_UPDATE_NICK", name)),
        IDS,
        st.sampled_from(["Uno", "Due"]),
    ),
).flatmap(lambda event: st.sampled_from([event, msgspec.structs.replace(event, time_shift=99)]))


@st.composite
def updates(draw: st.DrawFn) -> Any:
    make = draw(st.sampled_from([history, push]))
    events = draw(st.lists(EVENTS, max_size=5))
    update = make(*events, version=draw(st.sampled_from([103, 106])), over=draw(st.integers(0, 9)) == 0)
    damaged = draw(st.lists(st.none() | IDS, max_size=2))
    return replace(update, damaged=[Damaged(b"{}", "wrong type", event_id) for event_id in damaged])


OTHERS = st.sampled_from(
    [
        LinkDown(CHAT, A_RESET, NOW),
        JoinRefused(CHAT, 0, A_REFUSAL, Verdict.GONE, NOW),
        JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER, NOW),
        QuarantinedInput("chat-1:4800", b"x", NO_JSON, 1, CHAT, attributed=True, observed_at=NOW),
        QuarantinedInput("chat-1:4800", b"x", NO_JSON, 1, followed=(CHAT,), observed_at=NOW),
        announcement(offset=1),
        "restart",
        "wait",
    ]
)
INPUTS = st.lists(st.lists(updates() | OTHERS, min_size=1, max_size=3), max_size=8)


def failing(event: ChatEvent, carried: Any) -> bytes:
    if event.message_text is not None and event.message_text.text == DEFECT:
        raise ZeroDivisionError
    return fingerprint(event, carried)


@given(INPUTS, st.booleans())
def test_whatever_comes_and_fails_verify_finds_nothing_and_neither_restart_nor_packing_changes_anything(
    transactions: list[list[Any]], small: bool
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fold, "fingerprint", failing)
        limits = 8_000 if small else 1_000_000
        shards = [RecordedShard(limits), RecordedShard(limits), RecordedShard(limits, given_up_chats=0)]
        for transaction in transactions:
            plans = []
            for shard in shards:
                shard.now += ("wait" in transaction) * 40 * SECOND
                plans.append(shard.fold(*(one for one in transaction if not isinstance(one, str))))
            shards[1].restarted()  # always; the others only when the transaction says so
            if "restart" in transaction:
                shards[0].restarted()
                shards[2].restarted()
            for other, plan in zip(shards[1:], plans[1:], strict=True):
                assert shards[0].events == other.events
                assert shards[0].sessions == other.sessions
                assert shards[0].quarantine == other.quarantine
                assert shards[0].chats() == other.chats()
                assert plans[0].number == plan.number
        assert shards[0].findings() == []
        ids = [record["id"] for record in shards[0].records()]
        assert len(set(ids)) == len(ids)
        assert [record["sequence"] for record in shards[0].records()] == list(range(1, len(ids) + 1))
