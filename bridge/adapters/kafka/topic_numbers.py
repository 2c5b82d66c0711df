"""Reads a setting of topics that is a number, such as the largest record, as the brokers have it now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.protocol.admin import DescribeConfigsRequest

from bridge.adapters.kafka.any_broker import answer_of_any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiokafka.client import AIOKafkaClient

    from bridge.adapters.kafka.calls import Translate


async def numbers_of_topics(
    client: AIOKafkaClient, names: Iterable[str], setting: str, failed: Translate
) -> dict[str, int]:
    """Return topic -> the number that a setting has now, of those of which Kafka tells it. Raises as `failed` does."""
    request = DescribeConfigsRequest([(ConfigResourceType.TOPIC, name, [setting]) for name in names])
    response = await answer_of_any(client, request, failed)
    return {
        name: int(entry[1]) for _, _, _, name, entries in response.resources for entry in entries if entry[0] == setting
    }
