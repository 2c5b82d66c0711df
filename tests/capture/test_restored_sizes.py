"""After a restart or a hand-over a chat takes no more memory, and undoes its first input like any other."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from dataclasses import replace
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bridge.capture.chat_facts import ChatFailed
from bridge.records.selection import Where
from bridge.transcript.updates import JoinRefused, LinkDown, Verdict
from tests.capture.recorded_shard import RecordedShard
from tests.capture.test_session_store import NOW, announcement
from tests.capture.two_outputs import MASKED, PARTITION, WHOLE, RecordedOutputs
from tests.support.reasons import A_REFUSAL, A_RESET
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bridge.capture.chat import Chat
    from bridge.capture.inbox import Input
    from bridge.transcript.updates import TranscriptUpdate

CHATS = [f"0000MANY{number:08}" for number in range(3)]
PARTIES = ("CLIENT", "AGENT", "SUPERVISOR")
LAST = 30
PART = replace(MASKED, where=Where(kind=("MESSAGE",)))
_NOT_OF_A_CHAT = (type, ModuleType, FunctionType, BuiltinFunctionType, int)
"""Code, and numbers: which of these are one object is chance."""


def of_chat(session_id: str, update: TranscriptUpdate) -> TranscriptUpdate:
    update.transcript = msgspec.structs.replace(update.transcript, session_id=session_id)
    return update


def told(*, back: bool = False, given_up: bool = False) -> Iterable[Input]:
    """Each of the chats has its own people; `back`: it was lost and joined again; `given_up`: and lost for good."""
    for place, session_id in enumerate(CHATS):
        users = [f"00A1{place:06}{number:06}" for number in range(len(PARTIES))]
        parties = [
            joined(number, user_id, nickname=f"Visitor{place}{number}", user_type=user_type)
            for number, (user_id, user_type) in enumerate(zip(users, PARTIES, strict=True), 1)
        ]
        yield announcement(session_id, offset=place)
        yield of_chat(session_id, history(*parties))
        for number in range(len(PARTIES) + 1, LAST):
            yield of_chat(session_id, push(said(number, user_id=users[number % len(users)])))
        if back:
            yield LinkDown(session_id, A_RESET, NOW)
            yield of_chat(session_id, history(*parties))
        if given_up:
            yield LinkDown(session_id, A_RESET, NOW)
            yield JoinRefused(session_id, 0, A_REFUSAL, Verdict.NEVER, NOW)


def reached_from(chat: Chat) -> dict[int, Any]:
    """Return all objects that a chat keeps in memory, shared or not, by identity."""
    found: dict[int, Any] = {}
    new: list[Any] = [chat]
    while new:
        one = new.pop()
        if id(one) not in found and not isinstance(one, _NOT_OF_A_CHAT):
            found[id(one)] = one
            new += gc.get_referents(one)
    return found


def own_sizes(chats: Iterable[Chat]) -> list[int]:
    """Return how many bytes each of several chats takes beside what it shares with the others."""
    reached = [reached_from(chat) for chat in chats]
    sharing = Counter(key for one in reached for key in one)
    return [sum(sys.getsizeof(it) for key, it in one.items() if sharing[key] == 1) for one in reached]


def no_larger(restored: Iterable[Chat], live: Iterable[Chat]) -> bool:
    return all(one <= other for one, other in zip(own_sizes(restored), own_sizes(live), strict=True))


def marks(chat: Chat) -> list[Any]:
    """Return what is kept for an `undo`."""
    held = [one.held._marked for one in chat.outputs if one.held is not None]
    return [chat._marked, chat.transcript._marked, *(one._marked for one in chat.outputs), *held]


@pytest.mark.parametrize("back", [False, True])
def test_a_restored_chat_takes_no_more_memory_than_before(back: bool) -> None:
    shard = RecordedShard(announced=False, encoded_chats=0)
    for one in told(back=back):
        shard.fold(one)
    live = [*shard.store.chats.values()]
    restored = [*shard.restarted().store.chats.values()]
    assert no_larger(restored, live)
    assert {mark for chat in restored for mark in marks(chat)} == {None}
    assert all(chat.parts._seldom is chat.transcript.seldom() for chat in restored)


def test_nor_does_one_in_an_output_that_takes_a_part() -> None:
    shard = RecordedOutputs(WHOLE, PART, encoded_chats=0, partition_of=lambda _: PARTITION)
    for one in told():
        shard.fold(one)
    live = [shard.store.chats[session_id] for session_id in CHATS]
    shard.restart(WHOLE, PART)
    restored = [shard.store.chats[session_id] for session_id in CHATS]
    assert no_larger(restored, live)
    assert {mark for chat in (*live, *restored) for mark in marks(chat)} == {None}


def test_nor_does_one_that_was_packed() -> None:
    packing, plain = (RecordedShard(announced=False, encoded_chats=0, given_up_chats=most) for most in (0, 64))
    for one in told(given_up=True):
        packing.fold(one)
        plain.fold(one)
    packing.fold()
    assert packing.store.packed == len(CHATS)
    packing.store.unpack()
    assert no_larger([packing.store.chats[one] for one in CHATS], [plain.store.chats[one] for one in CHATS])


def test_what_is_on_the_topic_is_written_again_only_where_the_restored_state_says_something_else() -> None:
    shard = RecordedShard()
    shard.fold(history(joined(1)), push(said(2)))
    before = {key: value for key, value in shard.topic.values.items() if key != CHAT}
    [chat] = shard.restarted().store.chats.values()
    written = chat.parts._seldom
    chat.transcript.apply(push(joined(1, nickname="Ada")))
    chat.parts.share(chat.transcript.seldom())
    assert chat.parts._seldom is written
    shard.fold(push(said(3)))
    assert shard.topic.values[f"{CHAT}#s"] != before[f"{CHAT}#s"]


def _restarted(shard: RecordedShard) -> None:
    shard.restarted()


def _packed(shard: RecordedShard) -> None:
    shard.fold(LinkDown(CHAT, A_RESET, NOW), JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER, NOW))
    shard.fold()
    assert shard.store.packed == 1


@pytest.mark.parametrize("read_back", [_restarted, _packed])
def test_a_first_input_that_fails_half_way_leaves_nothing_but_a_gap(
    read_back: Callable[[RecordedShard], None],
) -> None:
    shard = RecordedShard(given_up_chats=0)
    shard.fold(history(joined(1)), push(said(2)))
    read_back(shard)
    before = shard.outline()
    plan = shard.fold(push(said(3), msgspec.structs.replace(said(4), time_shift="soon")), push(said(5)))
    assert [fact.error for fact in plan.facts if isinstance(fact, ChatFailed)] == ["TypeError"]
    assert shard.outline() == [*before, "GAP", 5]
    shard.restarted().fold(announcement(offset=1), history(joined(1), *map(said, range(2, 6)), over=True))
    assert shard.outline()[-2:] == [3, 4]
    assert shard.findings() == []
