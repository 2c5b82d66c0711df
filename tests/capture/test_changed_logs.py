"""A shard whose logs are not what they were: without checkpoints it is no new one, lower offsets are no old records."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from bridge.announcement import Announcement, encode
from bridge.capture.chat import FOLLOWED, GIVEN_UP, OVER
from bridge.capture.inbox import Announced
from bridge.capture.session_store import SessionStore
from bridge.capture.shard_recovery import ShardRecovery
from bridge.capture.stored_chats import StoredShard
from bridge.errors import AccessDenied, KafkaUnavailable, LeaderMissing
from bridge.records.shard_facts import LogMark, ShardFacts
from bridge.transcript.updates import JoinRefused, Verdict
from tests.capture.hand_fed_shard import hand_fed_shard, until
from tests.capture.link_surroundings import FakeClock
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.recorded_shard import RecordedShard
from tests.capture.scripted_kafka import ScriptedKafka, ScriptedRecord, ScriptedWriter
from tests.capture.scripted_logs import NAMES
from tests.capture.test_session_store import NOW, PREFIX, announcement, settings
from tests.capture.virtual_servers import VirtualClock, play
from tests.support.reasons import A_REFUSAL
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bridge.capture.inbox import Input
    from bridge.capture.ports import StoredRecord
    from bridge.records.shard_facts import Logs

LATER = "0000LATER0000001"
LAST = "0000LAST00000001"


@dataclass
class ChangingLogs:
    """Logs that hold the records of `there`, and after them `aborted` offsets of transactions without a commit.

    `made` counts how often each topic was made again; a look at them fails with `refusal`.
    """

    there: dict[str, list[bytes]]
    aborted: int = 0
    made: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))
    refusal: KafkaUnavailable | None = None
    names = NAMES

    async def look(self) -> Logs:
        if self.refusal is not None:
            raise self.refusal
        return {
            kind: LogMark(b"%d" % self.made[kind], 0, len(self.there.get(kind, ())) + self.aborted)
            for kind in self.names
        }

    async def marked(self, kind: str) -> int:
        return (await self.look())[kind].end

    async def committed(self) -> int:
        return 0

    async def read(self, kind: str, start: int, end: int) -> AsyncIterator[Sequence[StoredRecord]]:
        values = self.there.get(kind, [])
        yield [ScriptedRecord(0, at, values[at]) for at in range(start, min(end, len(values)))]


def recovery(logs: ChangingLogs, **changes: Any) -> ShardRecovery:
    clock, telemetry = VirtualClock(), RecordedFacts()
    return ShardRecovery(3, logs, settings(**changes), partitions=8, interval=30.0, clock=clock, telemetry=telemetry)


def test_a_shard_with_events_and_without_checkpoints_goes_on_with_the_chats_that_the_events_tell_of() -> None:
    shard = RecordedShard()
    shard.fold(history(joined(1), said(2, "one")), push(said(3, "two")))
    logs = ChangingLogs(
        {
            "events": [PREFIX + payload for payload in shard.events],
            "sessions": [PREFIX + payload for payload in shard.sessions],
            "announcements": [announcement().raw],
        }
    )

    async def scene() -> None:
        store, opened = SessionStore(3, settings()), recovery(logs)
        store.restore(StoredShard())
        await opened.before_opening()
        repair = await opened.opening(store, before=None, kept=False)
        assert store.chats[CHAT].transcript.delivered.pairs() == [(1, 3)]
        assert [one.raw for one in repair.inputs if isinstance(one, Announced)] == [announcement().raw]
        assert [problem.code for problem in opened.problems()] == ["STATE_LOST"]

    play(scene())


def test_a_shard_whose_only_transactions_were_aborted_is_a_new_one() -> None:
    async def scene() -> None:
        store, opened = SessionStore(3, settings()), recovery(ChangingLogs({}, aborted=5))
        store.restore(StoredShard())
        await opened.before_opening()
        repair = await opened.opening(store, before=None, kept=False)
        assert (repair.inputs, opened.problems()) == ([], [])

    play(scene())


GONE = JoinRefused(CHAT, 0, A_REFUSAL, Verdict.GONE, NOW)


def opened_behind(beyond: list[Input], before: list[Input], announcements: list[bytes]) -> RecordedShard:
    """A shard that is opened with checkpoints as of `before`, and records of `beyond`, too."""
    shard = RecordedShard()
    shard.fold(*before)
    behind = dict(shard.topic.values)
    looked = {"events": LogMark(b"0", 0, len(shard.events)), "sessions": LogMark(b"0", 0, len(shard.sessions))}
    shard.fold(*beyond)
    logs = ChangingLogs({"announcements": announcements})
    logs.there["events"] = [PREFIX + payload for payload in shard.events]
    logs.there["sessions"] = [PREFIX + payload for payload in shard.sessions]
    shard.topic.values = behind
    shard.restarted()

    async def scene() -> None:
        opened = recovery(logs)
        await opened.before_opening()
        repair = await opened.opening(shard.store, before=ShardFacts("chatbridge", 8, looked), kept=False)
        shard.fold(*repair.inputs)

    play(scene())
    return shard


@pytest.mark.parametrize(
    ("beyond", "state"),
    [
        ([push(over=True)], OVER),
        ([push(said(3), over=True)], OVER),
        ([GONE], GIVEN_UP),
        ([GONE, announcement(offset=1)], FOLLOWED),
        ([push(said(3))], FOLLOWED),
    ],
)
def test_a_chat_has_ended_as_its_session_records_tell_although_its_checkpoint_is_behind(
    beyond: list[Input], state: str
) -> None:
    shard = opened_behind(beyond, [history(joined(1), said(2))], [])
    assert shard.store.chats[CHAT].state == state
    shard.fold(announcement(offset=2), push(said(4), over=True))
    assert shard.findings() == []


@pytest.mark.parametrize("announced", [False, True])
def test_a_chat_that_was_opened_again_is_followed_if_it_is_announced_although_its_checkpoint_is_behind(
    announced: bool,
) -> None:
    given_up: list[Input] = [history(joined(1), said(2)), GONE]
    shard = opened_behind([announcement(offset=1)], given_up, [announcement().raw] * announced)
    assert shard.store.chats[CHAT].state == (FOLLOWED if announced else GIVEN_UP)
    assert [code for _, _, code in shard.gaps()] == ["OVER_WHILE_AWAY"] + ["STATE_LOST"] * (not announced)
    assert shard.findings() == []


def test_announcements_of_a_topic_that_was_made_again_are_taken_although_their_offsets_are_lower() -> None:
    def told(session_id: str, offset: int) -> Announced:
        raw = encode(Announcement(session_id=session_id, host="chat-1", port=4800))
        return Announced(
            offset, raw, session_id.encode(), Announcement(session_id=session_id, host="chat-1", port=4800)
        )

    async def scene() -> None:
        logs = ChangingLogs({"announcements": [b"{}"] * 8})
        kafka, clock, telemetry = ScriptedKafka(VirtualClock()), VirtualClock(), RecordedFacts()
        shard = hand_fed_shard(
            3,
            lambda number: ScriptedWriter(kafka, number),
            clock,
            telemetry,
            settings(partition_of=lambda _: 3),
            recovery=recovery(logs),
        )
        run = asyncio.get_running_loop().create_task(shard.run())
        await until(lambda: shard.problem is None)
        shard.announced(told(CHAT, 7))
        await until(lambda: list(shard.store.chats) == [CHAT])
        logs.made["announcements"], logs.there["announcements"] = 1, [told(LATER, 0).raw]
        await until(lambda: LATER in shard.store.chats)
        shard.announced(told(LAST, 1))
        await until(lambda: LAST in shard.store.chats)
        run.cancel()
        await asyncio.wait([run])

    play(scene())


def test_shards_that_are_opened_together_look_again_at_moments_of_their_own() -> None:
    clock, logs, rests = FakeClock(), ChangingLogs({}), []

    async def opened() -> None:
        for partition in range(12):
            one = ShardRecovery(
                partition, logs, settings(), partitions=12, interval=30.0, clock=clock, telemetry=RecordedFacts()
            )
            await one.before_opening()
            rests.append(one.rest())

    asyncio.run(opened())
    assert len({round(rest) for rest in rests}) == len(rests)
    assert all(15.0 <= rest <= 30.0 for rest in rests)


@pytest.mark.parametrize(
    ("refusal", "rest"),
    [(LeaderMissing("no leader"), 5.0), (AccessDenied("denied"), 30.0), (KafkaUnavailable("no answer"), 30.0)],
)
def test_why_a_look_failed_is_a_problem_until_the_next_one(refusal: KafkaUnavailable, rest: float) -> None:
    logs = ChangingLogs({})
    shard, store = recovery(logs), SessionStore(3, settings())

    async def scene() -> None:
        await shard.before_opening()
        logs.refusal = refusal
        with pytest.raises(KafkaUnavailable):
            await shard.look(store, 0)
        assert (shard.problems(), shard.rest()) == ([refusal.problem], rest)
        logs.refusal = None
        await shard.look(store, 0)
        assert (shard.problems(), shard.rest()) == ([], 30.0)

    play(scene())
