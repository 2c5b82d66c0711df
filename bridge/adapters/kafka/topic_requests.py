"""Requests about topics that aiokafka has only in older versions, or not at all.

CreateTopics, version 5 (Kafka 2.4): with -1 the broker's own replication factor is used, and the answer says what the
topic has or would have. IncrementalAlterConfigs (Kafka 2.3, KIP-339) sets single values; AlterConfigs replaces all of a
topic's settings, so that a policy refuses one for the sake of another. `send` raises NotImplementedError where the
broker does not know the version. Source of the layouts: Kafka's CreateTopicsRequest.json,
IncrementalAlterConfigsRequest.json, and those of the responses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    String,
    TaggedFields,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

BROKERS_REPLICATION: Final = -1
"""Replication factor of a request: the broker's `default.replication.factor`."""
_CREATE: Final = 19
_CREATE_VERSION: Final = 5
_ALTER: Final = 44
_TOPIC: Final = 2
_SET: Final = 0


class _CreatedResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = _CREATE
    API_VERSION = _CREATE_VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("num_partitions", Int32),
                ("replication_factor", Int16),
                (
                    "configs",
                    CompactArray(
                        ("name", CompactString("utf-8")),
                        ("value", CompactString("utf-8")),
                        ("read_only", Boolean),
                        ("config_source", Int8),
                        ("is_sensitive", Boolean),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _CreateStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = _CREATE
    API_VERSION = _CREATE_VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _CreatedResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("num_partitions", Int32),
                ("replication_factor", Int16),
                (
                    "assignments",
                    CompactArray(
                        ("partition_index", Int32), ("broker_ids", CompactArray(Int32)), ("tags", TaggedFields)
                    ),
                ),
                (
                    "configs",
                    CompactArray(
                        ("name", CompactString("utf-8")), ("value", CompactString("utf-8")), ("tags", TaggedFields)
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("timeout_ms", Int32),
        ("validate_only", Boolean),
        ("tags", TaggedFields),
    )


class CreateTopicRequest(Request[_CreateStruct]):  # type: ignore[misc]
    """Creates one topic, or with `validate_only` only says whether that would succeed, and with which properties."""

    API_KEY: ClassVar[int] = _CREATE

    def __init__(
        self, name: str, partitions: int, replication_factor: int, config: Mapping[str, str], *, validate_only: bool
    ) -> None:
        """`replication_factor` may be BROKERS_REPLICATION."""
        settings: list[tuple[Any, ...]] = [(key, value, {}) for key, value in config.items()]
        self._topic: tuple[Any, ...] = (name, partitions, replication_factor, [], settings, {})
        self._validate_only = validate_only

    def build(self, request_struct_class: type[Any]) -> Any:
        """Return the request, as aiokafka's connection sends it."""
        return request_struct_class([self._topic], 30_000, self._validate_only, {})


class CreateAnswer(NamedTuple):
    """What became of a topic, or would: Kafka's error code (0: none) and text, its replicas and its settings.

    `replicas` is -1 and `config` empty when this client may not describe the topic's configuration.
    """

    code: int
    text: str
    replicas: int
    config: Mapping[str, str]


def create_answer(response: Any) -> CreateAnswer:
    """Return the answer about the one topic of the request."""
    ((_, code, text, _, replicas, config, _),) = response.topics
    return CreateAnswer(code, text or "", replicas, {name: value for name, value, *_ in config or ()})


class _AlteredResponse(Response):  # type: ignore[misc]
    API_KEY = _ALTER
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _AlterStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = _ALTER
    API_VERSION = 0
    RESPONSE_TYPE = _AlteredResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                (
                    "configs",
                    Array(("name", String("utf-8")), ("config_operation", Int8), ("value", String("utf-8"))),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class SetTopicConfigRequest(Request[_AlterStruct]):  # type: ignore[misc]
    """Sets one value of a topic's configuration; all others stay."""

    API_KEY: ClassVar[int] = _ALTER

    def __init__(self, topic: str, name: str, value: str) -> None:
        """`name` is that of the setting."""
        self._resource = (_TOPIC, topic, [(name, _SET, value)])

    def build(self, request_struct_class: type[Any]) -> Any:
        """Return the request, as aiokafka's connection sends it."""
        return request_struct_class([self._resource], False)


def alter_answer(response: Any) -> tuple[int, str]:
    """Return Kafka's error code (0: none) and text for the one setting of the request."""
    ((code, text, _, _),) = response.responses
    return code, text or ""
