"""A transaction whose requests or answers are lost, one by one, on the way to a real broker: each record exactly once.

A cut connection alone is repaired by the client, which sends the request again. So each cut is also made with the
broker out of reach from then on, until the shard has given its writer up: only then does the shard itself have to find
out what is committed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.clock import SystemClock
from bridge.capture.chat_facts import GapRecorded, Quarantined, Resumed
from bridge.capture.outputs import RECORD_KINDS
from bridge.capture.stored_chats import stored_shard
from bridge.facts import BatchCommitted, ShardNotOpened, TransactionFailed
from bridge.sandbox import LocalBroker
from tests.capture.disturbed_chat import DISTURBANCE, QUARANTINED, beginning, disturbance
from tests.capture.hand_fed_shard import feed, hand_fed_shard, settled, until, without_faults
from tests.capture.recorded_facts import RecordedFacts
from tests.capture.test_session_store import settings
from tests.integration.cutting_proxy import ApiKey, Cut, CuttingProxy
from tests.integration.test_transactional_writer import committed, group_offset, prepared, settings_for, writer_of
from tests.transcript.build import CHAT, push, said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.adapters.kafka.connection import KafkaConnection
    from bridge.capture.session_store_settings import SessionStoreSettings
    from bridge.capture.shard import Shard

PARTITION = 0
ELSEWHERE = 1
OWNER = 2**62 + 1
OPENING = (ApiKey.FIND_COORDINATOR, ApiKey.INIT_PRODUCER_ID)
STORE = settings(owner=OWNER, partition_of=lambda key: PARTITION if key == CHAT.encode() else ELSEWHERE)


def store_of(connection: KafkaConnection) -> SessionStoreSettings:
    """Return STORE with the topics of an installation."""
    topics = connection.topics
    output = replace(STORE.outputs[0], topics={kind: getattr(topics, kind) for kind in RECORD_KINDS})
    return replace(STORE, outputs=(output,), checkpoints=topics.checkpoints, announcements=topics.announcements)


@pytest.fixture(scope="module", name="proxy")
def _proxy() -> Iterator[CuttingProxy]:
    """Give a proxy to which the only broker's advertised address leads."""
    with (
        CuttingProxy() as proxy,
        LocalBroker(overrides={"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"}) as broker,
    ):
        proxy.broker_port = broker.nodes[0].port
        yield proxy


def each_cut() -> Iterator[object]:
    for api_key in ApiKey:
        for answered in (False, True):
            for away in (False, True):
                marks = [] if api_key is ApiKey.END_TXN else [pytest.mark.faults]
                side = "answer" if answered else "request"
                name = f"{api_key.name}-{side}-{'away' if away else 'once'}"
                yield pytest.param([Cut(api_key, answered, away)], marks=marks, id=name)
    lost_twice = [Cut(ApiKey.END_TXN, True, True), Cut(ApiKey.INIT_PRODUCER_ID, True, False)]
    yield pytest.param(lost_twice, marks=pytest.mark.faults, id="END_TXN-then-INIT_PRODUCER_ID")


async def healed(shard: Shard, told: RecordedFacts, proxy: CuttingProxy, *, away: bool) -> None:
    """Wait until a shard that was cut off has written what it had and one event more; `away`: the broker comes back."""
    if away:
        await until(lambda: told.count(TransactionFailed) + told.count(ShardNotOpened) > 0)
        proxy.heal()
    await settled(shard)
    feed(shard, [push(said(9))])
    await settled(shard)


@pytest.mark.many_variants
@pytest.mark.parametrize("cuts", list(each_cut()))
def test_each_record_is_on_kafka_once_and_counted_once(proxy: CuttingProxy, cuts: list[Cut]) -> None:
    async def scene() -> None:
        connection = await prepared(settings_for(f"127.0.0.1:{proxy.port}", transaction_timeout=3.0))
        told = RecordedFacts()
        shard = hand_fed_shard(
            PARTITION, lambda number: writer_of(connection, number), SystemClock(), told, store_of(connection)
        )
        at_opening = cuts[0].api_key in OPENING
        if at_opening:
            proxy.arm(client_id(connection), *cuts)
        task = asyncio.ensure_future(shard.run())
        try:
            if not at_opening:
                await settled(shard)
                feed(shard, beginning())
                await settled(shard)
                proxy.arm(client_id(connection), *cuts)
            else:
                feed(shard, beginning())
            feed(shard, disturbance())
            await healed(shard, told, proxy, away=cuts[0].away)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert proxy.left == 0
        await check(connection, told)

    asyncio.run(scene())


def client_id(connection: KafkaConnection) -> str:
    """Return the client id of the shard's producer."""
    return f"chatbridge-{connection.group}-{PARTITION}"


async def check(connection: KafkaConnection, told: RecordedFacts) -> None:
    """Compare what a read_committed consumer gets with what a store makes of the same inputs when nothing is lost."""
    expected = without_faults(PARTITION, store_of(connection), beginning(), disturbance(), [push(said(9))])
    for topic in store_of(connection).outputs[0].topics.values():
        written = await committed(connection, topic, PARTITION, marked=True)
        there = chain.from_iterable(batch.on(topic) for batch in expected)
        assert written == [(record.key, record.value) for record in there], topic
    assert len(await committed(connection, connection.topics.announcements, ELSEWHERE)) == 1
    assert await group_offset(connection, PARTITION) == 3
    assert told.kinds() == Counter({"PARTY_JOINED": 1, "MESSAGE": 2}) + Counter(DISTURBANCE)
    assert [told.count(one) for one in (Resumed, GapRecorded, Quarantined)] == [1, 1, len(QUARANTINED)]
    stored = await committed(connection, connection.topics.checkpoints, PARTITION, marked=True)
    told_by_key = [((key or b"").decode(), value or b"") for key, value in stored]
    assert stored_shard(told_by_key, STORE.writers).schemas_written
    numbers = sorted({number for one in told_by_key for number in numbers_in(one)})
    assert numbers == list(range(1, told.count(BatchCommitted) + 1))


def numbers_in(record: tuple[str, bytes]) -> set[int]:
    """Return the number of the batch that wrote a record of the checkpoints topic, if it says so."""
    return {stamp.number for stamp in stored_shard([record], STORE.writers).stamps}
