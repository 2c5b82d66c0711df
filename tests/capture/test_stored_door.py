"""Stored transcripts in a running shard: from a feeder over the topic into the chat, with commits that fail."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bridge.capture.stored_inputs import StoredRead
from bridge.capture.stored_texts import StoredText, StoredTextParts
from bridge.errors import Problem
from tests.capture.hand_fed_shard import feed, hand_fed_shard, settled, until, while_it_runs
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.scripted_kafka import ScriptedKafka
from tests.capture.stored_documents_of import READ_AT, document, stored
from tests.capture.test_commit_answers import KeepingWriter, KeptPartition
from tests.capture.test_session_store import settings
from tests.capture.virtual_servers import VirtualClock, play
from tests.capture.written_topics import STORED
from tests.transcript.build import CHAT, history, joined, left, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from bridge.capture.ports import Batch, Failed, Outgoing
    from bridge.capture.shard import Shard
    from bridge.capture.stored_inputs import StoredInput, StoredPlace

PROBLEM = Problem("UCS_UNREACHABLE", "scripted")


@dataclass
class ScriptedFeeder:
    """Records what it is told."""

    deliver: Callable[[StoredRead, int], None]
    failed: Failed
    starts: list[Mapping[str, bytes]] = field(default_factory=list)
    paused: list[bool] = field(default_factory=list)
    closed: int = 0
    problems: list[Problem] = field(default_factory=list)

    def start(self, positions: Mapping[str, bytes]) -> None:
        self.starts.append(positions)

    def pause(self) -> None:
        self.paused.append(True)

    def resume(self) -> None:
        self.paused.append(False)

    async def close(self) -> None:
        self.closed += 1


@dataclass
class TopicReading:
    """How one shard reads the topic."""

    place: StoredPlace | None
    deliver: Callable[[StoredInput, int], None]
    paused: bool = False
    ended: bool = False

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def end(self) -> None:
        self.ended = True


@dataclass
class StoredInstallation:
    """A partition that is kept, with the topic of stored transcripts, and what reads it."""

    kept: KeptPartition = field(default_factory=lambda: KeptPartition(ScriptedKafka(VirtualClock())))
    stored: list[Outgoing] = field(default_factory=list)
    feeders: list[ScriptedFeeder] = field(default_factory=list)
    readings: list[TopicReading] = field(default_factory=list)

    def make_feeder(self, deliver: Callable[[StoredRead, int], None], failed: Failed) -> ScriptedFeeder:
        self.feeders.append(ScriptedFeeder(deliver, failed))
        return self.feeders[-1]

    def begin(
        self, partition: int, place: StoredPlace | None, deliver: Callable[[StoredInput, int], None]
    ) -> TopicReading:
        assert partition == 3
        self.readings.append(TopicReading(place, deliver))
        return self.readings[-1]

    def texts(self) -> list[StoredText]:
        parts = StoredTextParts()
        found = [parts.take(one.key, one.headers, one.value, at) for at, one in enumerate(self.stored)]
        return [one for one in found if isinstance(one, StoredText)]

    @asynccontextmanager
    async def running(self, owner: int = 1) -> AsyncIterator[Shard]:
        shard = hand_fed_shard(
            3,
            lambda _: StoringWriter(self),
            VirtualClock(),
            RecordedFacts(),
            settings(owner=owner),
            stored_topic=self,
            make_feeder=self.make_feeder,
        )
        try:
            async with while_it_runs(shard):
                yield shard
        finally:
            await shard.close()


class StoringWriter(KeepingWriter):
    """Keeps what is written to the topic of stored transcripts, too."""

    def __init__(self, installation: StoredInstallation) -> None:
        super().__init__(installation.kept)
        self._installation = installation

    async def commit(self, batch: Batch) -> None:
        kept = self._kept
        refused = bool(kept.refuse)
        try:
            await super().commit(batch)
        finally:
            if not refused:
                self._installation.stored += batch.on(STORED)


def read(number: int) -> StoredRead:
    text = StoredText(CHAT, f"ucs#{number}", document(joined(1), said(2)), final=True, read_at=READ_AT)
    return StoredRead((text,), {"ucs.bookmark": b"%d" % number}, READ_AT)


@pytest.mark.parametrize(("refuse", "lose"), [(0, 0), (2, 0), (0, 1)])
def test_what_a_feeder_reads_is_on_the_topic_once_with_its_position(refuse: int, lose: int) -> None:
    async def scene() -> None:
        installation = StoredInstallation()
        async with installation.running():
            feeder = installation.feeders[0]
            assert feeder.starts == [{}]
            installation.kept.refuse, installation.kept.lose = refuse, lose
            for number in (1, 2):
                feeder.deliver(read(number), 1_000)
            await until(lambda: len(installation.texts()) == 2)
            feeder.deliver(read(3), 1_000)
            await until(lambda: len(installation.texts()) == 3)
            assert [text.place for text in installation.texts()] == ["ucs#1", "ucs#2", "ucs#3"]
            assert len(feeder.starts) == 1  # what it delivered was held all the time
        assert feeder.closed
        async with installation.running(owner=2):
            assert installation.feeders[1].starts == [{"ucs.bookmark": b"3"}]

    play(scene())


@pytest.mark.parametrize(("refuse", "lose"), [(0, 0), (1, 0), (0, 1)])
def test_a_text_from_the_topic_is_folded_once_and_its_place_is_remembered(refuse: int, lose: int) -> None:
    async def scene() -> None:
        installation = StoredInstallation()
        async with installation.running() as shard:
            feed(shard, [history(joined(1), said(2))])  # of a chat that is not followed: set aside
            reading = installation.readings[0]
            assert reading.place is None
            installation.kept.refuse, installation.kept.lose = refuse, lose
            for one in stored(joined(1), said(2), left(3), offset=7):
                reading.deliver(one, 1_000)
            await settled(shard)
            assert [(record.key, record.value is not None) for record in installation.kept.events] == [
                (CHAT.encode(), True)
            ] * 3
        assert reading.ended
        async with installation.running(owner=2):
            place = installation.readings[1].place
            assert place is not None
            assert place.offset == 7

    play(scene())


def test_a_full_inbox_pauses_both_and_reasons_of_the_feeder_are_told() -> None:
    async def scene() -> None:
        installation = StoredInstallation()
        async with installation.running() as shard:
            feeder, reading = installation.feeders[0], installation.readings[0]
            feeder.problems.append(PROBLEM)
            assert PROBLEM in shard.problems
            feeder.deliver(read(1), 1 << 20)
            assert (feeder.paused, reading.paused) == ([True], True)
            await until(lambda: not reading.paused)
            assert feeder.paused == [True, False]

    play(scene())


def test_on_the_way_out_nothing_new_is_taken_and_nothing_is_waited_for() -> None:
    async def scene() -> None:
        installation = StoredInstallation()
        async with installation.running() as shard:
            feeder, reading = installation.feeders[0], installation.readings[0]
            installation.kept.refuse = 1_000
            feeder.deliver(read(1), 1_000)
            shard.hand_over()
            assert reading.ended
            feeder.deliver(read(2), 1_000)
            for one in stored(joined(1), offset=7):
                reading.deliver(one, 1_000)
            assert shard.uncommitted == 0
            installation.kept.refuse = 0
            await shard.drain()
            assert (shard.drained, feeder.closed > 0) == (True, True)
        assert len(installation.texts()) <= 1

    play(scene())


def test_a_defect_of_the_feeder_ends_the_shard() -> None:
    async def scene() -> None:
        installation = StoredInstallation()
        async with installation.running() as shard:
            installation.feeders[0].failed(ZeroDivisionError())
            await until(lambda: shard.problem is not None)
            assert shard.problem is not None
            assert shard.problem.code == "SHARD_CRASHED"

    play(scene())
