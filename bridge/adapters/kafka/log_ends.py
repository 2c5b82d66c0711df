"""Where a partition ends, whatever a consumer's isolation level is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiokafka.errors import LeaderNotAvailableError, NoError, for_code
from aiokafka.protocol.offset import OffsetRequest

if TYPE_CHECKING:
    from aiokafka import TopicPartition
    from aiokafka.client import AIOKafkaClient

_NO_REPLICA: Final = -1
_UNCOMMITTED: Final = 0
_LATEST: Final = -1


async def high_watermark(client: AIOKafkaClient, at: TopicPartition) -> int:
    """Return the end of a partition, beyond transactions that are open. Raises the KafkaError of one request.

    aiokafka's consumers that read what is committed tell only the last stable offset.
    """
    leader = client.cluster.leader_for_partition(at)
    if leader in (None, -1):
        raise LeaderNotAvailableError(at)
    request = OffsetRequest(_NO_REPLICA, _UNCOMMITTED, [(at.topic, [(at.partition, _LATEST)])])
    response = await client.send(leader, request)
    [(_, [(_, code, _, offset)])] = response.topics
    if (error := for_code(code)) is not NoError:
        raise error(at)
    return int(offset)
