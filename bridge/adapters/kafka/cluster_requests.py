"""Requests that aiokafka lacks, about the cluster as a whole: the sizes of logs, and the controller's clock.

DescribeLogDirs, version 1 (Kafka 2.0), needs the right to describe the cluster; who lacks it is told of no directory.
DescribeQuorum, version 1 (Kafka 3.3, KIP-836), needs it, too. It tells when each replica of the cluster's metadata was
last heard of; of itself the active controller says the present time, by its own clock (LeaderState.java). `send` raises
NotImplementedError where the broker does not know the version. Source of the layouts: Kafka's
DescribeLogDirsRequest.json, DescribeQuorumRequest.json, and those of the responses.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LOG_DIRS: Final = 35
_LOG_DIRS_VERSION: Final = 1
_QUORUM: Final = 55
_QUORUM_VERSION: Final = 1
_METADATA_LOG: Final = "__cluster_metadata"

_REPLICAS: Final = CompactArray(
    ("replica_id", Int32),
    ("log_end_offset", Int64),
    ("last_fetch_timestamp", Int64),
    ("last_caught_up_timestamp", Int64),
    ("tags", TaggedFields),
)


class _LogDirsResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = _LOG_DIRS
    API_VERSION = _LOG_DIRS_VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            Array(
                ("error_code", Int16),
                ("log_dir", String("utf-8")),
                (
                    "topics",
                    Array(
                        ("name", String("utf-8")),
                        (
                            "partitions",
                            Array(
                                ("partition_index", Int32),
                                ("partition_size", Int64),
                                ("offset_lag", Int64),
                                ("is_future_key", Boolean),
                            ),
                        ),
                    ),
                ),
            ),
        ),
    )


class _LogDirsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = _LOG_DIRS
    API_VERSION = _LOG_DIRS_VERSION
    RESPONSE_TYPE = _LogDirsResponse
    SCHEMA = Schema(("topics", Array(("topic", String("utf-8")), ("partitions", Array(Int32)))))


class LogSizesRequest(Request[_LogDirsStruct]):  # type: ignore[misc]
    """Asks one broker for the sizes of its logs of some topics."""

    API_KEY: ClassVar[int] = _LOG_DIRS

    def __init__(self, partitions: Mapping[str, int]) -> None:
        """`partitions` is topic -> number of its partitions."""
        self._topics = [(topic, list(range(count))) for topic, count in partitions.items()]

    def build(self, request_struct_class: type[Any]) -> Any:
        """Return the request, as aiokafka's connection sends it."""
        return request_struct_class(self._topics)


def log_sizes(responses: Iterable[Any]) -> Mapping[str, Mapping[int, int]] | None:
    """Return topic -> partition -> bytes of its largest replica; None when a broker may not tell this client."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for response in responses:
        if not response.results:
            return None
        for _code, _directory, topics in response.results:
            for topic, partitions in topics:
                for partition, size, _lag, moving in partitions:
                    if not moving:
                        found[topic][partition] = max(size, found[topic].get(partition, 0))
    return found


class _QuorumResponse(Response):  # type: ignore[misc]
    API_KEY = _QUORUM
    API_VERSION = _QUORUM_VERSION
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "topics",
            CompactArray(
                ("topic_name", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition_index", Int32),
                        ("error_code", Int16),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("high_watermark", Int64),
                        ("current_voters", _REPLICAS),
                        ("observers", _REPLICAS),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _QuorumStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = _QUORUM
    API_VERSION = _QUORUM_VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _QuorumResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_name", CompactString("utf-8")),
                ("partitions", CompactArray(("partition_index", Int32), ("tags", TaggedFields))),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class QuorumRequest(Request[_QuorumStruct]):  # type: ignore[misc]
    """Asks for the replicas of the cluster's metadata; a broker passes it on to the active controller."""

    API_KEY: ClassVar[int] = _QUORUM

    def build(self, request_struct_class: type[Any]) -> Any:
        """Return the request, as aiokafka's connection sends it."""
        return request_struct_class([(_METADATA_LOG, [(0, {})], {})], {})


class ControllerTime(NamedTuple):
    """The active controller and its time, in ms since 1970 UTC. `code` is Kafka's error code, 0 without one."""

    code: int
    node: int = -1
    ms: int = -1


def controller_time(response: Any) -> ControllerTime:
    """Return what the response says of the controller's clock; the time is -1 when it says nothing."""
    if response.error_code or not response.topics:
        return ControllerTime(response.error_code)
    ((_, ((_, code, leader, _, _, voters, _, _),), _),) = response.topics
    times = {replica: fetched for replica, _, fetched, _, _ in voters}
    return ControllerTime(code, leader, times.get(leader, -1))
