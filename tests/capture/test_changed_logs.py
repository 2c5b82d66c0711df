"""A shard whose logs are not what they were: without checkpoints it is no new one, lower offsets are no old records."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.announcement import Announcement, encode
from bridge.capture.inbox import Announced
from bridge.capture.session_store import SessionStore
from bridge.capture.shard_recovery import ShardRecovery
from bridge.capture.stored_chats import StoredShard
from bridge.records.shard_facts import LogMark
from tests.capture.hand_fed_shard import hand_fed_shard, until
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.recorded_shard import RecordedShard
from tests.capture.scripted_kafka import ScriptedKafka, ScriptedRecord, ScriptedWriter
from tests.capture.scripted_logs import NAMES
from tests.capture.test_session_store import PREFIX, announcement, settings
from tests.capture.virtual_servers import VirtualClock, play
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from bridge.capture.ports import StoredRecord
    from bridge.records.shard_facts import Logs

LATER = "0000LATER0000001"
LAST = "0000LAST00000001"


@dataclass
class ChangingLogs:
    """Logs that hold the records of `there`, and after them `aborted` offsets of transactions without a commit.

    `made` counts how often each topic was made again.
    """

    there: dict[str, list[bytes]]
    aborted: int = 0
    made: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 0))
    names = NAMES

    async def look(self) -> Logs:
        return {
            kind: LogMark(b"%d" % self.made[kind], 0, len(self.there.get(kind, ())) + self.aborted)
            for kind in self.names
        }

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
