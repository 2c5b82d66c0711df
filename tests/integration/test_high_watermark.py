"""What lies behind an open transaction: checkpoints that are read back tell whether there is anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer

from tests.integration.test_transactional_writer import play, writer_of

if TYPE_CHECKING:
    from bridge.adapters.kafka.connection import KafkaConnection


def test_checkpoints_tell_whether_something_lies_behind_a_transaction_that_is_open(broker: str) -> None:
    async def scenario(settings: KafkaConnection) -> None:
        found = []
        writer = writer_of(settings, 1)
        await writer.open()
        other = AIOKafkaProducer(bootstrap_servers=broker, transactional_id=f"{settings.group}-worker:other")
        await other.start()
        try:
            found.append((await writer.checkpoints(), writer.read_all))
            await other.begin_transaction()
            await other.send_and_wait(settings.topics.checkpoints, b"state", b"chat", partition=1)
            found.append((await writer.checkpoints(), writer.read_all))
            await other.commit_transaction()
            found.append((await writer.checkpoints(least=1), writer.read_all))
        finally:
            await other.stop()
            await writer.close()
        assert found == [([], True), ([], False), ([("chat", b"state")], True)]

    play(scenario, broker)
