"""What is encoded of a chat is at hand for the latest chats of a shard only: records are the same without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from bridge.records.redactor import Redactor
from bridge.records.rules import Rule
from bridge.transcript.updates import JoinRefused, Verdict
from tests.capture.recorded_shard import RecordedShard
from tests.capture.test_session_store import NOW, announcement
from tests.support.reasons import A_REFUSAL
from tests.transcript.build import ALICE, history, joined, push, said

if TYPE_CHECKING:
    from bridge.capture.inbox import Input
    from bridge.transcript.updates import TranscriptUpdate

BOB = "00A1000000000002"
LAST = 29
CHATS = [f"0000TEST{number:08}" for number in range(5)]


def of_chat(session_id: str, update: TranscriptUpdate) -> TranscriptUpdate:
    update.transcript = msgspec.structs.replace(update.transcript, session_id=session_id)
    return update


def in_turn() -> list[Input]:
    """The chats speak one after the other, again and again."""
    told: list[Input] = [announcement(session_id, offset=at) for at, session_id in enumerate(CHATS)]
    parties = joined(1, nickname="ada@example.org"), joined(2, BOB, nickname="Bob")
    told += [of_chat(session_id, history(*parties)) for session_id in CHATS]
    for number in range(3, LAST + 1):
        speaker, over = (ALICE, BOB)[number % 2], number == LAST
        told += [of_chat(session_id, push(said(number, user_id=speaker), over=over)) for session_id in CHATS]
    return told


def encoded(shard: RecordedShard) -> list[str]:
    """Return the chats of which something is encoded."""
    return [
        session_id
        for session_id, chat in shard.store.chats.items()
        if chat.outputs[0].recorder._encoder is not None or chat.outputs[0].recorder._parties is not None
    ]


@pytest.mark.parametrize("most", [0, 1, 2])
def test_records_and_checkpoints_are_the_same_of_chats_that_are_not_encoded(most: int) -> None:
    few, all_of_them = (
        RecordedShard(announced=False, encoded_chats=chats, redactor=Redactor((Rule("mail", detector="email"),)))
        for chats in (most, 512)
    )
    for one in in_turn():
        for shard in (few, all_of_them):
            shard.fold(one)
    assert few.events == all_of_them.events
    assert few.sessions == all_of_them.sessions
    assert few.chats() == all_of_them.chats()
    assert few.findings() == []
    assert {len(record["redactions"]) for record in few.records()} == {0, 1}


def test_the_latest_chats_that_had_records_are_encoded() -> None:
    shard = RecordedShard(announced=False, encoded_chats=2)
    for one in in_turn()[: 3 * len(CHATS)]:
        shard.fold(one)
    assert encoded(shard) == CHATS[-2:]
    shard.fold(of_chat(CHATS[0], push(said(4))))
    assert encoded(shard) == [CHATS[0], CHATS[-1]]


@pytest.mark.parametrize("end", ["over", "given up"])
def test_a_chat_that_is_not_followed_any_more_is_not_encoded(end: str) -> None:
    shard = RecordedShard(announced=False)
    for one in in_turn()[: 2 * len(CHATS)]:
        shard.fold(one)
    assert encoded(shard) == CHATS
    if end == "over":
        shard.fold(of_chat(CHATS[0], push(said(3), over=True)))
    else:
        shard.fold(JoinRefused(CHATS[0], 0, A_REFUSAL, Verdict.NEVER, NOW))
    assert CHATS[0] in shard.store.chats
    assert encoded(shard) == CHATS[1:]
