"""Which topics a client goes on to ask about."""

from __future__ import annotations

import asyncio

from aiokafka.client import AIOKafkaClient

from bridge.adapters.kafka.aiokafka_internals import ask_for_topics, ask_no_more


def test_a_client_that_is_to_ask_for_no_topic_does_not_ask_for_all_of_the_cluster() -> None:
    async def scene() -> None:
        client = AIOKafkaClient()
        ask_no_more(client, ["gone"])
        assert client._md_update_fut is None, "nothing is asked"
        ask_for_topics(client, ["gone", "there"])
        ask_no_more(client, ["gone"])
        assert client._topics == {"there"}
        ask_no_more(client, ["there"])
        assert client._topics, "no topics are all topics to aiokafka"

    asyncio.run(scene())
