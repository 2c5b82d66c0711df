"""The topic of stored transcripts, read for several shards by one consumer, in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from bridge.backoff import Backoff
from bridge.capture.stored_facts import StoredPlaceGone, StoredTopicUnread
from bridge.capture.stored_inputs import StoredArrived, StoredPlace, StoredRefused
from bridge.capture.stored_reader import StoredReader
from bridge.capture.stored_texts import StoredText, records_of
from bridge.errors import KafkaUnavailable, TopicMissing
from bridge.transcript.input_codes import STORED_RECORD
from tests.capture.hand_fed_shard import until
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.scripted_stored import ScriptedStoredTopic
from tests.capture.stored_documents_of import READ_AT, document
from tests.capture.virtual_servers import VirtualClock, play
from tests.transcript.build import joined, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bridge.capture.stored_inputs import StoredInput
    from bridge.errors import Problem

TOPIC_ID = "01" * 16


def text(number: int, size: int = 1) -> StoredText:
    session_id = f"0000CHAT{number:08}"
    events = [joined(1), *(said(2 + at, "x" * 500) for at in range(size))]
    return StoredText(session_id, "ucs", document(*events, session_id=session_id), final=True, read_at=READ_AT)


class Taken:
    """What one shard gets."""

    def __init__(self) -> None:
        self.inputs: list[StoredInput] = []

    def __call__(self, one: StoredInput, size: int) -> None:
        assert size >= 0
        self.inputs.append(one)

    def chats(self) -> list[int]:
        return [int(one.session_id[-4:]) for one in self.inputs if isinstance(one, StoredArrived)]


@asynccontextmanager
async def reading(
    topic: ScriptedStoredTopic, facts: RecordedFacts | None = None, prepare: Callable[[], None] = lambda: None
) -> AsyncIterator[StoredReader]:
    async def prepared() -> None:
        prepare()

    reader = StoredReader(
        "stored",
        topic.log,
        prepare=prepared,
        backoff=Backoff(lambda: 0.5),
        clock=VirtualClock(),
        telemetry=facts or RecordedFacts(),
    )
    task = asyncio.ensure_future(reader.run())
    try:
        yield reader
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert all(log.closed for log in topic.made)


def test_each_shard_gets_what_lies_on_its_partition_from_its_place_on() -> None:
    async def scene() -> None:
        topic = ScriptedStoredTopic(records={0: [], 1: []})
        for number in (1, 2, 3):
            topic.write(0, text(number))
            topic.write(1, text(number + 10))
        async with reading(topic) as reader:
            zero, one = Taken(), Taken()
            reader.begin(0, None, zero)
            await until(lambda: len(zero.inputs) == 3)
            reader.begin(1, StoredPlace(2, TOPIC_ID), one)
            topic.write(0, text(4))
            await until(lambda: len(zero.inputs) == 4 and len(one.inputs) == 1)
            assert (zero.chats(), one.chats()) == ([1, 2, 3, 4], [13])
            assert [each.place for each in (zero.inputs[-1], one.inputs[-1])] == [
                StoredPlace(4, TOPIC_ID),
                StoredPlace(3, TOPIC_ID),
            ]
            assert len(topic.made) == 1

    play(scene())


def test_a_long_text_is_parsed_beside_the_loop_and_begins_again_as_a_whole() -> None:
    async def scene() -> None:
        topic = ScriptedStoredTopic(records={0: []})
        topic.write(0, text(1))
        topic.write(0, text(2, size=1_200), room=100_000)
        async with reading(topic) as reader:
            zero = Taken()
            reader.begin(0, None, zero)
            await until(lambda: len(zero.inputs) == 4)
            assert [one.place.offset for one in zero.inputs] == [1, 1, 1, len(topic.records[0])]

    asyncio.run(scene())  # a thread takes real time


def test_a_text_that_is_not_complete_is_read_again_after_a_restart() -> None:
    async def scene() -> None:
        topic = ScriptedStoredTopic(records={0: []})
        headers_and_values = records_of(text(1), 100)
        for headers, value in headers_and_values[:2]:
            topic.put(0, b"0000CHAT00000001", value, headers)
        topic.write(0, text(2))
        async with reading(topic) as reader:
            first, second = Taken(), Taken()
            reader.begin(0, None, first)
            await until(lambda: len(first.inputs) == 1)
            place = first.inputs[0].place
            assert place.offset == 0
            for headers, value in headers_and_values[2:]:
                topic.put(0, b"0000CHAT00000001", value, headers)
            reader.begin(0, place, second)
            await until(lambda: len(second.inputs) == 2)
            assert (first.chats(), second.chats()) == ([2], [2, 1])
            assert second.inputs[-1].place.offset == len(topic.records[0])

    play(scene())


def test_a_record_that_holds_no_text_is_refused_and_the_next_goes_on() -> None:
    async def scene() -> None:
        topic = ScriptedStoredTopic(records={0: []})
        topic.put(0, b"0000CHAT00000001", b"<chatTranscript/>")
        topic.write(0, text(2))
        async with reading(topic) as reader:
            zero = Taken()
            reader.begin(0, None, zero)
            await until(lambda: len(zero.inputs) == 2)
            refused = zero.inputs[0]
            assert isinstance(refused, StoredRefused)
            assert (refused.reason.code, refused.source, refused.raw) == (
                STORED_RECORD,
                "stored-0@0",
                b"<chatTranscript/>",
            )
            assert zero.chats() == [2]

    play(scene())


def test_a_shard_that_is_full_is_not_read_on_and_the_others_are() -> None:
    async def scene() -> None:
        topic = ScriptedStoredTopic(records={0: [], 1: []})
        async with reading(topic) as reader:
            zero, one = Taken(), Taken()
            full = reader.begin(0, None, zero)
            reader.begin(1, None, one)
            full.pause()
            topic.write(0, text(1))
            topic.write(1, text(11))
            await until(lambda: len(one.inputs) == 1)
            fetches = topic.made[0].fetches
            await until(lambda: topic.made[0].fetches > fetches + 2)
            assert zero.inputs == []
            full.resume()
            await until(lambda: zero.chats() == [1])

    play(scene())


def test_a_shard_that_ended_gets_nothing_more_and_nobody_reads_for_none() -> None:
    async def scene() -> None:
        topic = ScriptedStoredTopic(records={0: []})
        async with reading(topic) as reader:
            former, successor = Taken(), Taken()
            one = reader.begin(0, None, former)
            await until(lambda: bool(topic.made and topic.made[0].fetches))
            other = reader.begin(0, None, successor)
            one.end()  # late: its successor goes on
            topic.write(0, text(1))
            await until(lambda: successor.chats() == [1])
            assert former.inputs == []
            other.end()
            await until(lambda: topic.made[-1].closed)
            made = len(topic.made)
            await asyncio.sleep(60)
            assert len(topic.made) == made
            reader.begin(0, None, former)
            await until(lambda: former.chats() == [1])

    play(scene())


@pytest.mark.parametrize("error", [KafkaUnavailable("scripted"), TopicMissing("stored")])
def test_a_topic_that_cannot_be_read_is_told_once_and_tried_again(error: Exception) -> None:
    async def scene() -> None:
        topic, facts = ScriptedStoredTopic(records={0: []}), RecordedFacts()
        async with reading(topic, facts) as reader:
            zero = Taken()
            reader.begin(0, None, zero)
            await until(lambda: bool(topic.made and topic.made[0].fetches))
            topic.error = error
            await asyncio.sleep(300)
            assert reader.problem is not None
            assert len(topic.made) < 60
            assert facts.count(StoredTopicUnread) == 1
            topic.error = None
            topic.write(0, text(1))
            await until(lambda: zero.chats() == [1])
            assert reader.problem is None

    play(scene())


def test_a_topic_that_cannot_be_prepared_is_told_as_well() -> None:
    def prepare() -> None:
        raise TopicMissing("stored")

    async def scene() -> None:
        topic = ScriptedStoredTopic(records={0: []})
        async with reading(topic, prepare=prepare) as reader:
            reader.begin(0, None, Taken())
            await until(lambda: reader.problem is not None)
            assert reader.problem is not None
            assert reader.problem.code == TopicMissing.code

    play(scene())


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (StoredPlace(3, TOPIC_ID), StoredPlaceGone(shard=0, offset=3, first=5, lost=2)),
        (StoredPlace(9, TOPIC_ID), StoredPlaceGone(shard=0, offset=9, first=5, lost=0)),
        (StoredPlace(6, "02" * 16), StoredPlaceGone(shard=0, offset=6, first=5, lost=0)),
        (StoredPlace(6), None),
        (None, None),
    ],
)
def test_a_place_that_is_not_there_any_more_is_told_and_reading_begins_with_the_first_record(
    place: StoredPlace | None, told: StoredPlaceGone | None
) -> None:
    async def scene() -> None:
        topic, facts = ScriptedStoredTopic(records={0: []}, first={0: 5}), RecordedFacts()
        topic.write(0, text(1))
        topic.write(0, text(2))
        async with reading(topic, facts) as reader:
            zero = Taken()
            reader.begin(0, place, zero)
            await until(lambda: zero.chats()[-1:] == [2])
            assert [fact for fact in facts.facts if isinstance(fact, StoredPlaceGone)] == ([told] if told else [])
            assert zero.chats() == ([2] if place == StoredPlace(6) else [1, 2])

    play(scene())


def test_a_topic_that_is_made_again_is_read_from_its_beginning() -> None:
    async def scene() -> None:
        topic, facts = ScriptedStoredTopic(records={0: []}), RecordedFacts()
        topic.write(0, text(1))
        async with reading(topic, facts) as reader:
            zero = Taken()
            reader.begin(0, None, zero)
            await until(lambda: zero.chats() == [1])
            topic.topic_id, topic.records[0] = b"\2" * 16, []
            topic.write(0, text(2))
            await until(lambda: zero.chats() == [1, 2])
            assert zero.inputs[-1].place == StoredPlace(1, "02" * 16)
            assert facts.count(StoredPlaceGone) == 1

    play(scene())


def test_a_partition_without_a_leader_is_told_and_the_others_are_read() -> None:
    async def scene() -> None:
        topic, facts = ScriptedStoredTopic(records={0: [], 1: []}), RecordedFacts()
        lost = topic.records.pop(1)  # left out, as a partition without a leader is
        async with reading(topic, facts) as reader:
            zero, one = Taken(), Taken()
            reader.begin(0, None, zero)
            reader.begin(1, None, one)
            await asyncio.sleep(120)
            assert reader.problem is not None
            assert reader.problem.detail.endswith("have no leader: 1")
            assert (facts.count(StoredTopicUnread), len(topic.made)) == (1, 1)
            topic.write(0, text(1))
            await until(lambda: zero.chats() == [1])
            topic.records[1] = lost
            topic.write(1, text(11))
            await asyncio.sleep(6)
            assert one.chats() == [11]
            problem: Problem | None = reader.problem
            assert problem is None

    play(scene())
