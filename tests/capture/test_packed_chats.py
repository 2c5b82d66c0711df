"""Chats that were given up and are not at hand any more: as whole as the others, in less memory."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from bridge.capture import packed_chats
from bridge.capture.chat import FOLLOWED, GIVEN_UP
from bridge.capture.chat_facts import ChatErased, ChatFailed
from bridge.capture.inbox import Forgotten
from bridge.capture.packed_chats import PackedChats
from bridge.capture.session_store import SessionStore
from bridge.capture.stored_inputs import ErasureRequested, StoredPlace
from bridge.transcript.gap_codes import EVENTS_LOST
from bridge.transcript.updates import JoinRefused, LinkDown, Verdict
from tests.capture.recorded_shard import RecordedShard
from tests.capture.test_changed_logs import ChangingLogs, recovery
from tests.capture.test_session_store import NOW, PREFIX, SECOND, announcement
from tests.capture.virtual_servers import play
from tests.support.reasons import A_REFUSAL, A_RESET
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.capture.inbox import Input

DAY = 86_400 * SECOND
IDS = 30
"""Events of the chat: several blocks of ids."""


def given_up() -> list[Input]:
    """What a shard gets of the chat: it is joined, lost, and not joined again."""
    return [history(joined(1), *map(said, range(2, IDS))), LinkDown(CHAT, A_RESET, NOW), refused()]


def refused(session_id: str = CHAT) -> JoinRefused:
    return JoinRefused(session_id, 0, A_REFUSAL, Verdict.NEVER, NOW)


def stored(shard: RecordedShard) -> list[str]:
    """Return the keys of what is stored of the chat."""
    return [key for key in shard.topic.values if key.startswith(CHAT)]


def packing(*inputs: Input) -> tuple[RecordedShard, RecordedShard]:
    """Return a shard that has packed its chat, which was given up, and one that has not; both have folded `inputs`."""
    shards = RecordedShard(given_up_chats=0), RecordedShard()
    for shard in shards:
        shard.fold(*given_up())
        shard.fold()
    assert [(shard.store.packed, len(shard.store.chats)) for shard in shards] == [(1, 0), (0, 1)]
    for shard in shards:
        shard.fold(*inputs)
    return shards


@pytest.mark.parametrize(
    ("inputs", "at_hand"),
    [
        ([announcement(offset=1)], True),
        ([announcement(offset=1), history(joined(1), *map(said, range(2, IDS + 3)))], True),
        ([push(said(IDS + 5))], True),
        ([push(said(IDS), over=True)], True),
        ([Forgotten(NOW, without_records=frozenset({CHAT}))], True),
        ([announcement("0000ANOTHER00001", offset=1)], False),
    ],
)
def test_whatever_concerns_it_finds_it_as_it_was(inputs: list[Input], at_hand: bool) -> None:
    packed, plain = packing(*inputs)
    assert packed.store.packed == (0 if at_hand else 1)
    for shard in (packed, plain):
        shard.fold(announcement(offset=2), history(joined(1), *map(said, range(2, IDS + 9)), over=True))
    assert packed.events == plain.events
    assert packed.sessions == plain.sessions
    assert packed.chats() == plain.chats()
    assert packed.findings() == []


def test_it_is_followed_again_with_the_password_it_had() -> None:
    shard = RecordedShard(announced=False, given_up_chats=0)
    shard.fold(announcement(password="invented", tenant="North"), refused())
    shard.fold()
    assert shard.store.packed == 1
    shard.fold(announcement(offset=1))
    chat = shard.store.chats[CHAT]
    assert (chat.state, chat.announcement.password, chat.transcript.facts.tenant) == (FOLLOWED, "invented", "North")
    shard.fold()
    assert (shard.store.packed, len(shard.store.chats)) == (0, 1)


def test_given_up_again_it_is_packed_again() -> None:
    packed, _ = packing(announcement(offset=1), refused())
    assert packed.store.chats[CHAT].state == GIVEN_UP
    packed.fold()
    assert packed.store.packed == 1


def test_the_latest_ones_stay_at_hand_and_a_batch_does_not_wait_for_all_others_to_be_packed() -> None:
    shard = RecordedShard(announced=False, given_up_chats=3)
    names = [f"0000CHAT{number:08}" for number in range(100)]
    for offset, name in enumerate(names):
        told = announcement(name, offset=offset)
        shard.fold(told, refused(name))
    shard.restarted()
    assert shard.store.packed == 0
    shard.fold()
    at_once = shard.store.packed
    assert 0 < at_once < 97
    for _ in range(100 // at_once):
        shard.fold()
    assert list(shard.store.chats) == names[-3:]
    assert shard.store.packed == 97
    shard.store.unpack()
    assert (shard.store.packed, sorted(shard.store.chats)) == (0, names)


def test_nothing_of_its_checkpoint_is_left_when_it_expires_or_is_erased() -> None:
    shard, _ = packing()
    assert len(stored(shard)) > 4
    shard.now += 2 * DAY
    shard.fold()
    assert (shard.store.packed, stored(shard)) == (0, [])
    request = ErasureRequested(CHAT, StoredPlace(8, "ab"), "request-1", NOW)
    shard, _ = packing(request)
    assert (shard.store.packed, stored(shard)) == (0, [])
    shard, _ = packing()
    assert shard.fold(request).facts == [ChatErased(session=CHAT, request="request-1")]


def test_records_that_kafka_has_lost_are_a_gap_of_it_whether_it_is_packed_or_not() -> None:
    async def lost(shard: RecordedShard) -> None:
        logs = ChangingLogs({"events": [PREFIX + payload for payload in shard.events]})
        opened = recovery(logs)
        await opened.look(shard.store, 0)
        logs.made["events"] += 1
        logs.there["events"] = []
        repair = await opened.look(shard.store, 0)
        assert repair.due
        shard.fold(*repair.inputs)

    shards = packing()
    for shard in shards:
        play(lost(shard))
        assert shard.gaps()[-1][2] == EVENTS_LOST
        assert len(shard.certificates()) == 2
    assert shards[0].events == shards[1].events


def test_all_checkpoints_that_are_written_again_are_its_own_too() -> None:
    packed, plain = packing()
    for shard in (packed, plain):
        shard.store.adopt(())
        shard.topic.values.clear()
        shard.fold()
    assert packed.chats() == plain.chats()
    assert len(packed.chats()) > 3


def test_what_its_checkpoint_would_not_say_is_kept_beside_it() -> None:
    shard = RecordedShard(given_up_chats=0)
    shard.fold(*given_up())
    chat = shard.store.chats[CHAT]
    chat.missing_outputs = ("audit",)
    chat.parts.also_written([7])
    for _ in range(2):
        shard.fold()
        assert shard.store.packed == 1
        shard.store.unpack()
        assert shard.store.chats[CHAT].missing_outputs == ("audit",)
    assert f"{CHAT}#7" in shard.store.chats[CHAT].parts.forgotten()


def test_one_that_cannot_be_packed_stays_at_hand_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> Sequence[tuple[str, bytes | None]]:
        raise ZeroDivisionError

    shard = RecordedShard(given_up_chats=0)
    shard.fold(*given_up())
    with monkeypatch.context() as patched:
        patched.setattr(packed_chats, "checkpoint_of", failing)
        plan = shard.fold(announcement("0000ANOTHER00001", offset=1))
    assert [(fact.session, fact.error) for fact in plan.facts if isinstance(fact, ChatFailed)] == [
        (CHAT, "ZeroDivisionError")
    ]
    assert sorted(shard.store.chats) == ["0000ANOTHER00001", CHAT]
    shard.fold(announcement(offset=2), history(joined(1), over=True))
    assert shard.findings() == []


def test_it_takes_a_small_part_of_the_memory() -> None:
    settings = RecordedShard(given_up_chats=1_000).settings
    packed, store = PackedChats(settings), SessionStore(3, settings)
    names = [f"0000CHAT{number:08}" for number in range(200)]
    tracemalloc.start()
    try:
        nothing, _ = tracemalloc.get_traced_memory()
        for offset, name in enumerate(names):
            attributes = {"FirstName": f"Name{offset}", "Queue": "sales", "Segment": "gold"}
            told = announcement(name, offset=offset, password=f"invented{offset}", user_data=attributes)
            store.fold([told, refused(name)], NOW)
        whole = tracemalloc.get_traced_memory()[0] - nothing
        for chat in store.chats.values():
            packed.put(chat)
        del store, chat
        gc.collect()
        small = tracemalloc.get_traced_memory()[0] - nothing
    finally:
        tracemalloc.stop()
    assert len(packed) == len(names)
    assert small < whole / 8
