"""Two outputs on a real broker: each event in both by the same transaction, each with a chain that verifies alone."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from bridge.adapters.clock import SystemClock
from bridge.adapters.kafka.required_topics import TopicShape
from bridge.adapters.kafka.topic_manager import TopicManager, TopicNames
from bridge.capture.outputs import RECORD_KINDS
from bridge.facts import TransactionFailed
from bridge.transcript.entries import COMPLETE, GAP, INCOMPLETE
from bridge.transcript.gap_codes import TOO_LARGE
from tests.capture.hand_fed_shard import feed, hand_fed_shard, settled, while_it_runs
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.test_session_store import announcement, settings
from tests.capture.two_outputs import MASKED, WHOLE, WrittenOutput
from tests.integration.test_transactional_writer import PARTITIONS, LoneWriter, committed, prepared, settings_for
from tests.support.kafka_tools import alter
from tests.support.wanted_topics import wanted
from tests.transcript.build import history, joined, push, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.capture.shard import Shard

PARTITION: Final = 3
LIMIT: Final = 12_000
LONG: Final = "a text that is longer than one of the topics takes " * (LIMIT // 50)
CARD: Final = "my card is 4111 1111 1111 1111"


@asynccontextmanager
async def running(
    connection: KafkaConnection, store: SessionStoreSettings, told: RecordedFacts
) -> AsyncIterator[Shard]:
    def writer(number: int) -> LoneWriter:
        return LoneWriter(connection, number, store.written_topics)

    shard = hand_fed_shard(PARTITION, writer, SystemClock(), told, store)
    async with while_it_runs(shard):
        yield shard


async def both_outputs(connection: KafkaConnection) -> tuple[WrittenOutput, WrittenOutput]:
    """Make the topics of a second output beside those of the first."""
    second = TopicNames(f"{connection.topics.prefix}audit.")
    shape = TopicShape(PARTITIONS, 1, connection.max_record_bytes, 3600, 3600)
    await TopicManager(connection.bootstrap_servers, {}, wanted(second, shape)).apply()
    named = [
        replace(output, topics={kind: getattr(names, kind) for kind in RECORD_KINDS})
        for output, names in ((WHOLE, connection.topics), (MASKED, second))
    ]
    return WrittenOutput(named[0]), WrittenOutput(named[1])


async def read(connection: KafkaConnection, written: WrittenOutput) -> None:
    """Read what a read_committed consumer gets of an output."""
    for kind in RECORD_KINDS:
        header = written.output.payload_headers[kind]
        values = [value or b"" for _, value in await committed(connection, written.output.topics[kind], PARTITION)]
        assert all(value.startswith(header) for value in values)
        getattr(written, kind)[:] = [value[len(header) :] for value in values]


def test_both_have_every_event_or_none_has_it_and_both_chains_go_on_after_a_restart(broker: str) -> None:
    async def scene() -> None:
        connection = await prepared(settings_for(broker, compression=None))
        whole, masked = await both_outputs(connection)
        store = settings(
            outputs=(whole.output, masked.output),
            checkpoints=connection.topics.checkpoints,
            announcements=connection.topics.announcements,
            owner=2**62 + 1,
        )
        told = RecordedFacts()
        async with running(connection, store, told) as shard:
            feed(shard, [announcement(), history(joined(1), said(2, CARD))])
            await settled(shard)
            # Not known to the shard: the broker refuses one record in one output, and with it the transaction.
            await asyncio.to_thread(alter, broker, masked.output.topics["events"], "max.message.bytes", str(LIMIT))
            feed(shard, [push(said(3, LONG), said(4))])
            await settled(shard)
        assert told.count(TransactionFailed) == 1
        async with running(connection, replace(store, owner=2**62 + 2), told) as shard:
            feed(shard, [push(said(5), over=True)])
            await settled(shard)
        for one in (whole, masked):
            await read(connection, one)
            assert [str(finding) for finding in one.findings()] == []
            assert [record["state"] for record in one.session_records()] == ["OPENED", "CLOSED"]
        texts = [
            [record["message"]["text"] for record in one.records() if record["message"]] for one in (whole, masked)
        ]
        assert texts[0] == [CARD, LONG, "hello", "hello"]
        assert texts[1] == ["my card is *******************", "hello", "hello"]
        assert masked.outline() == [(1, "PARTY_JOINED"), (2, "MESSAGE"), (3, GAP), (4, "MESSAGE"), (5, "MESSAGE")]
        [complete], [incomplete] = whole.certificates(), masked.certificates()
        assert (complete["verdict"], incomplete["verdict"]) == (COMPLETE, INCOMPLETE)
        assert incomplete["reasons"] == [TOO_LARGE]
        assert (len(whole.set_aside()), len(masked.set_aside())) == (0, 1)

    asyncio.run(scene())
