"""What Kafka knows of topics, by a request of our own: aiokafka asks for metadata in a version that has no ids.

A topic that is deleted and made again has another id, whatever its name and offsets are. Kafka gives ids since 2.8
(Metadata, version 12: KIP-516); a broker that does not know the version leaves them out, and offsets have to tell.
Unlike aiokafka's, this request never makes a broker create a topic, and tells a topic that may not be described from
one that does not exist. The same version names what the client may do with each topic (KIP-430). Source of the layout:
Kafka's MetadataRequest.json and MetadataResponse.json.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from io import BytesIO

_METADATA: Final = 3
_VERSION: Final = 12
_NO_ID: Final = bytes(16)
NO_LEADER: Final = -1
"""In place of the broker that leads a partition."""


class _Uuid(AbstractType):  # type: ignore[misc]  # aiokafka ships no types
    """Sixteen bytes."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


class _TopicIdsResponse(Response):  # type: ignore[misc]
    API_KEY = _METADATA
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition_index", Int32),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("replica_nodes", CompactArray(Int32)),
                        ("isr_nodes", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _TopicIdsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = _METADATA
    API_VERSION = _VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _TopicIdsResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class TopicIdsRequest(Request[_TopicIdsStruct]):  # type: ignore[misc]
    """Asks for some topics by name. `send` raises NotImplementedError where the broker does not know the version."""

    API_KEY: ClassVar[int] = _METADATA

    def __init__(self, names: Iterable[str], *, operations: bool = False) -> None:
        """`names` are those of the topics. `operations`: what this client may do with each is wanted, too."""
        self._names = list(names)
        self._operations = operations

    def build(self, request_struct_class: type[Any]) -> Any:
        """Return the request, as aiokafka's connection sends it."""
        return request_struct_class([(_NO_ID, name, {}) for name in self._names], False, self._operations, {})


class FoundTopic(NamedTuple):
    """A topic that exists: its id, and its number of partitions."""

    topic_id: bytes
    partitions: int


def found_topics(response: Any) -> dict[str, FoundTopic]:
    """Return the topics of a response that exist, by name."""
    return {
        name: FoundTopic(topic_id, len(partitions))
        for code, name, topic_id, _internal, partitions, *_ in response.topics
        if not code
    }


class TopicDescription(NamedTuple):
    """One topic as the broker describes it to this client.

    `code`: Kafka's error code, 0 when it exists and may be described. `replicas` are those of the partition with the
    fewest, `in_sync` likewise those that have all records, `leaderless` the partitions without a leader. `operations`:
    bit n is set when the client may do the operation with Kafka's AclOperation code n.
    """

    code: int
    partitions: int
    replicas: int
    in_sync: int
    leaderless: tuple[int, ...]
    operations: int


def described_topics(response: Any) -> dict[str, TopicDescription]:
    """Return all topics of a response, by name."""
    return {
        name: TopicDescription(
            code,
            len(partitions),
            min((len(replicas) for _, _, _, _, replicas, *_ in partitions), default=0),
            min((len(in_sync) for _, _, _, _, _, in_sync, *_ in partitions), default=0),
            tuple(sorted(index for _, index, leader, *_ in partitions if leader == NO_LEADER)),
            operations,
        )
        for code, name, _id, _internal, partitions, operations, _tags in response.topics
    }
