"""aiokafka's clients, for everything in the bridge that makes one: none has a topic created by asking for it.

A broker with `auto.create.topics.enable`, Kafka's default, creates a topic that a Metadata request names, unless the
request says that it must not, which it can since Kafka 0.11 (version 4). A worker whose topic was deleted goes on to
write, to read and to add partitions to transactions: by none of that was one seen to come back
(tests/integration/test_topics_not_created.py). aiokafka leaves it to the broker and has no setting for it. Here its
request says no, in the whole process; what relies on this imports the clients from here, and nothing else may import
them from aiokafka (tests/architecture/test_imported_clients.py).
"""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.metadata import MetadataRequest

__all__ = ["AIOKafkaAdminClient", "AIOKafkaClient", "AIOKafkaConsumer", "AIOKafkaProducer"]

_make = MetadataRequest.__init__


def _ask_only(self: MetadataRequest, topics: list[str] | None = None, _allowed: object = None) -> None:
    _make(self, topics, allow_auto_topic_creation=False)


MetadataRequest.__init__ = _ask_only
