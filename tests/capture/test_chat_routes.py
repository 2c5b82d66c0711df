"""Shards that look for a chat on each partition that it may have had: one has it, whoever announced it where."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.adapters.kafka.partitioner import partition_of, partitions_of
from bridge.announcement import Announcement, encode, parse
from bridge.capture.inbox import Announced
from bridge.capture.partition_numbers import (
    MOST_PARTITIONS,
    PARTITIONS_POSITION,
    asked_headers,
    asked_number,
    check_former,
    decoded_numbers,
    encoded_numbers,
    may_be_raised,
    numbers_to_go_by,
)
from bridge.capture.session_store import SessionStore
from bridge.capture.shard_growth import ShardGrowth
from bridge.capture.shard_positions import ShardPositions
from bridge.capture.stored_inputs import StoredArrived, StoredPlace
from bridge.capture.stored_reading import inputs_of
from bridge.capture.stored_texts import StoredText, StoredTextParts
from bridge.errors import EXIT_ENVIRONMENT, CheckpointsOfOthers, PartitionsRaised
from bridge.records.shard_facts import LogMark, ShardFacts
from tests.capture.compacted_topic import CompactedTopic
from tests.capture.stored_documents_of import READ_AT, document
from tests.capture.test_session_store import NOW, settings
from tests.capture.written_topics import EVENTS, STORED, forwards
from tests.transcript.build import joined, said

NUMBERS = (2, 3, 5)
CHATS = [f"0000GROW{number:08}" for number in range(12)]
MOST_PASSED = 40


def goes_by(store: SessionStore, known: tuple[int, ...], there: int) -> None:
    """Have a store go by what a shard finds out when it is opened."""
    numbers = numbers_to_go_by(known, NUMBERS, there)
    store.positions.set(PARTITIONS_POSITION, encoded_numbers(numbers, NUMBERS))


@dataclass
class GrowingShards:
    """Shards of one installation, each with its checkpoints, its announcements and how far it has read them."""

    there: int = NUMBERS[0]
    topics: dict[int, CompactedTopic] = field(default_factory=dict)
    stores: dict[int, SessionStore] = field(default_factory=dict)
    told: dict[int, list[tuple[bytes, int | None]]] = field(default_factory=dict)
    read: dict[int, int] = field(default_factory=dict)

    def announce(self, session_id: str, number: int) -> None:
        raw = encode(Announcement(session_id=session_id, host="chat-1", port=4800))
        self.told.setdefault(partition_of(session_id.encode(), number), []).append((raw, None))

    def taken(self, partition: int, there: int) -> SessionStore:
        """Take a shard anew, by a worker that sees this number of partitions."""
        topic = self.topics.setdefault(partition, CompactedTopic())
        made = settings(partition_of=lambda key: partition_of(key, NUMBERS[0]), partition_under=partition_of)
        store = self.stores[partition] = topic.restored(partition, made)
        known = decoded_numbers(store.positions.get(PARTITIONS_POSITION))
        goes_by(store, known, max((there, *known)))
        return store

    def step(self, partition: int, there: int, *, again: bool) -> bool:
        """Let a shard take the next announcement, after another worker took it if `again`; return whether it could."""
        store = self.stores.get(partition)
        if store is None or again:
            store = self.taken(partition, there)
        at, told = self.read.get(partition, 0), self.told.get(partition, [])
        if at == len(told):
            return False
        raw, asked = told[at]
        plan = store.fold([Announced(at, raw, None, parse(raw), "", NOW, asked)], NOW)
        self.topics[partition].commit(plan)
        for other, record in forwards(plan.batch):
            assert other < self.there
            self.told.setdefault(other, []).append((record.value or b"", asked_number(record.headers)))
        self.read[partition] = at + 1
        return True

    def round(self, *, again: bool) -> int:
        """Let each shard take one announcement; return how many did."""
        return sum(self.step(partition, self.there, again=again) for partition in range(self.there))

    def owners(self, session_id: str) -> list[int]:
        return [partition for partition, store in self.stores.items() if session_id in store.chats]


@given(st.data())
def test_a_chat_is_at_one_shard_whoever_announces_it_where_and_whenever_shards_hear_of_more_partitions(
    data: st.DataObject,
) -> None:
    shards = GrowingShards()
    for _ in range(data.draw(st.integers(1, 25))):
        what = data.draw(st.sampled_from(("announce", "step", "step", "raise")))
        if what == "raise" and shards.there < NUMBERS[-1]:
            shards.there = NUMBERS[NUMBERS.index(shards.there) + 1]
        elif what == "announce":
            known = data.draw(st.sampled_from([one for one in NUMBERS if one <= shards.there]))
            shards.announce(data.draw(st.sampled_from(CHATS)), known)
        else:
            partition = data.draw(st.integers(0, shards.there - 1))
            seen = data.draw(st.sampled_from([one for one in NUMBERS if partition < one <= shards.there]))
            shards.step(partition, seen, again=data.draw(st.booleans()))
        assert all(len(shards.owners(one)) <= 1 for one in CHATS)
    for _ in range(MOST_PASSED):  # nothing goes round
        if not shards.round(again=False):
            break
    else:
        pytest.fail("announcements are passed on again and again")
    announced = {parse(raw).session_id for told in shards.told.values() for raw, _ in told}
    assert {one: len(shards.owners(one)) for one in announced} == dict.fromkeys(announced, 1)


def test_a_new_chat_goes_by_the_new_number_and_one_that_exists_stays() -> None:
    shards, moved = GrowingShards(), next(one for one in CHATS if len(partitions_of([one.encode()], (2, 3))) > 1)
    others = [one for one in CHATS if one != moved]
    home = partition_of(moved.encode(), 2)
    shards.announce(moved, 2)
    assert shards.step(home, 2, again=False)
    shards.there = 3
    for one in (moved, *others):
        shards.announce(one, 3)
    while shards.round(again=True):
        pass
    assert shards.owners(moved) == [home]
    assert {one: shards.owners(one) for one in others} == {one: [partition_of(one.encode(), 3)] for one in others}


def test_where_nothing_was_raised_no_header_is_written_and_no_position() -> None:
    made = settings(partition_of=lambda key: partition_of(key, 2), partition_under=partition_of)
    elsewhere = next(one for one in CHATS if partition_of(one.encode(), 2) == 1)
    raw = encode(Announcement(session_id=elsewhere, host="chat-1", port=4800))
    store = SessionStore(0, made)
    plan = store.fold([Announced(0, raw, None, parse(raw))], NOW)
    assert [(partition, record.headers) for partition, record in forwards(plan.batch)] == [(1, [])]
    assert dict(store.positions) == {}


def text_of(session_id: str, count: int, asked: int | None = None) -> list[StoredArrived]:
    whole = document(joined(1), *(said(number) for number in range(2, count + 1)), session_id=session_id)
    text = StoredText(session_id, "ucs#1", whole, final=True, read_at=READ_AT, asked=asked)
    inputs = inputs_of(text, READ_AT, StoredPlace(0), StoredPlace(1))
    return [one for one in inputs if isinstance(one, StoredArrived)]


@pytest.mark.parametrize("events", [3, 1_200])
def test_a_stored_text_of_an_unknown_chat_asks_each_of_its_partitions_and_comes_back_whole(events: int) -> None:
    session_id = next(one for one in CHATS if len(partitions_of([one.encode()], (2, 3))) > 1)
    old, new = (partition_of(session_id.encode(), number) for number in (2, 3))
    made = settings(partition_of=lambda key: partition_of(key, 2), partition_under=partition_of)
    first, second = SessionStore(new, made), SessionStore(old, made)
    goes_by(first, (2, 3), 3)
    goes_by(second, (2, 3), 3)
    asked: int | None = None
    for store, other in ((first, old), (second, new)):
        parts = StoredTextParts()
        records = [
            record for one in text_of(session_id, events, asked) for record in store.fold([one], NOW).batch.on(STORED)
        ]
        assert {record.partition for record in records} == {other}
        assert session_id not in store.chats
        [told] = [text for one in records if (text := parts.take(one.key, one.headers, one.value)) is not None]
        assert isinstance(told, StoredText)
        assert told.text == text_of(session_id, events)[0].text.text
        asked = told.asked
    plans = [first.fold([one], NOW) for one in text_of(session_id, events, asked)]
    assert sum(len(plan.batch.on(EVENTS)) for plan in plans) == events


def test_a_text_in_parts_is_judged_once_although_its_chat_is_opened_between_two_of_them() -> None:
    session_id = next(one for one in CHATS if len(partitions_of([one.encode()], (2, 3))) > 1)
    new = partition_of(session_id.encode(), 3)
    store = SessionStore(new, settings(partition_of=lambda key: partition_of(key, 2), partition_under=partition_of))
    goes_by(store, (2, 3), 3)
    before, *after = text_of(session_id, 1_200)
    raw = encode(Announcement(session_id=session_id, host="chat-1", port=4800))
    assert store.fold([before], NOW).batch.on(STORED)
    opened = store.fold([Announced(0, raw, None, parse(raw), "", NOW, 3)], NOW)
    assert [chat.session_id for chat in opened.follow] == [session_id]
    for one in after:
        plan = store.fold([one], NOW)
        assert (plan.batch.on(STORED), plan.batch.on(EVENTS)) == ([], [])


@pytest.mark.parametrize(
    ("known", "former", "there", "numbers"),
    [
        ((), (), 4, ()),
        ((4,), (), 4, ()),
        ((), (4,), 4, (4,)),
        ((4,), (4,), 4, (4,)),
        ((4,), (4,), 8, (4, 8)),
        ((), (4,), 8, (4, 8)),
        ((4, 8), (), 8, (4, 8)),
        ((4, 8), (4, 8), 16, (4, 8, 16)),
        ((4,), (2, 4), 8, (4, 8)),
        ((4,), (4, 8), 16, (4, 8, 16)),
    ],
)
def test_the_numbers_that_a_shard_goes_by(
    known: tuple[int, ...], former: tuple[int, ...], there: int, numbers: tuple[int, ...]
) -> None:
    assert numbers_to_go_by(known, former, there) == numbers


@pytest.mark.parametrize(
    ("known", "former", "there"), [((4,), (), 8), ((4,), (2,), 8), ((4, 8), (4,), 16), ((8,), (), 4), ((4, 8), (4,), 4)]
)
def test_a_number_that_nobody_named_is_refused(known: tuple[int, ...], former: tuple[int, ...], there: int) -> None:
    with pytest.raises(CheckpointsOfOthers) as refused:
        numbers_to_go_by(known, former, there)
    assert (refused.value.code, refused.value.exit_code) == ("PARTITIONS_CHANGED", EXIT_ENVIRONMENT)
    assert refused.value.next_step


def test_a_worker_starts_only_with_each_number_that_shards_went_by() -> None:
    check_former((), (), 4)
    check_former((4,), (), 4)
    check_former((4, 8), (4,), 8)
    check_former((4,), (4, 8), 8)
    for known, former, there in (((4,), (), 8), ((4, 8), (), 8), ((4, 8), (8,), 8), ((8,), (), 4), ((), (4, 16), 8)):
        with pytest.raises(CheckpointsOfOthers):
            check_former(known, former, there)


@given(st.lists(st.integers(1, 10_000), min_size=1, unique=True).map(sorted), st.lists(st.integers(1, 10_000)))
def test_numbers_in_a_position_are_read_back(numbers: list[int], former: list[int]) -> None:
    position = encoded_numbers(numbers, former)
    assert decoded_numbers(position) == tuple(numbers)
    assert may_be_raised(position) == (numbers[-1] in former)


NO_NUMBERS = st.binary(max_size=8) | st.integers(-2, 100_000).map(lambda number: str(number).encode())


@given(st.lists(st.tuples(st.sampled_from(("asked", "place", "")), NO_NUMBERS | st.none())))
@example([("asked", b"0")])  # there is no partition under that number
@example([("asked", None)])
def test_headers_that_no_shard_wrote_say_nothing_or_a_number(headers: list[tuple[str, bytes | None]]) -> None:
    found = asked_number(headers)
    assert found is None or 0 < found <= MOST_PARTITIONS
    assert asked_number(asked_headers(8)) == 8


@pytest.mark.parametrize("asked", range(1, 6))
def test_where_the_topics_had_one_number_nobody_can_have_a_chat_opened_on_another_partition(asked: int) -> None:
    made = settings(partition_of=lambda key: partition_of(key, 2), partition_under=partition_of)
    elsewhere = [one for one in CHATS if partition_of(one.encode(), 2) == 1]
    assert elsewhere
    for session_id in elsewhere:
        raw = encode(Announcement(session_id=session_id, host="chat-1", port=4800))
        plan = SessionStore(0, made).fold([Announced(0, raw, None, parse(raw), "", NOW, asked)], NOW)
        assert [partition for partition, _ in forwards(plan.batch)] == [1]
        assert plan.follow == []


def looked(partitions: int, **others: int) -> dict[str, LogMark]:
    return {
        kind: LogMark(b"", 0, 0, others.get(kind, partitions)) for kind in ("announcements", "checkpoints", "events")
    }


def test_a_shard_goes_by_a_new_number_once_all_topics_have_it_and_it_is_opened_again() -> None:
    told: list[int] = []
    positions, growth = ShardPositions(), ShardGrowth(4, (4,), told.append)
    assert growth.opened(positions, ShardFacts("g", 4), looked(4)) == 4
    assert (positions[PARTITIONS_POSITION], growth.may_grow, told) == (b"4+", True, [4])
    growth.check(looked(4))
    growth.check(looked(8, announcements=4))
    with pytest.raises(PartitionsRaised):
        growth.check(looked(8))
    assert growth.opened(positions, ShardFacts("g", 4), looked(8, announcements=4)) == 4
    assert positions[PARTITIONS_POSITION] == b"4+"
    assert growth.opened(positions, ShardFacts("g", 4), looked(8)) == 4
    assert (positions[PARTITIONS_POSITION], growth.may_grow, told) == (b"4,8", False, [4, 4, 8])


def test_without_former_numbers_a_shard_goes_by_its_own_or_by_those_that_it_went_by() -> None:
    positions, growth = ShardPositions(), ShardGrowth(4, (), lambda _: None)
    assert growth.opened(positions, None, looked(4)) == growth.opened(positions, ShardFacts("g", 4), looked(8)) == 4
    assert dict(positions) == {}
    growth.check(looked(8))
    with pytest.raises(CheckpointsOfOthers):
        ShardGrowth(8, (), lambda _: None).opened(positions, ShardFacts("g", 4), looked(8))
    positions.set(PARTITIONS_POSITION, b"4+")
    assert growth.opened(positions, ShardFacts("g", 4), looked(4)) == 4
    assert dict(positions) == {}
    positions.set(PARTITIONS_POSITION, b"4,8")
    assert growth.opened(positions, ShardFacts("g", 4), looked(8)) == 4
    assert growth.goes_by == 8
