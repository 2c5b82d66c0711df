"""ApiVersions in version 3 (Kafka 2.4): which release a broker is.

A broker says up to which level it supports the feature `metadata.version` (KIP-584), and each release of Apache Kafka
has levels of its own. What the cluster has agreed on may be lower, and is not looked at. `send` raises
NotImplementedError where the broker does not know the version. Source of the layout: Kafka's ApiVersionsRequest.json
and ApiVersionsResponse.json; of the levels: Kafka's MetadataVersion.java.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, ClassVar, Final

from aiokafka.protocol.api import Request, RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

_API_VERSIONS: Final = 18
_VERSION: Final = 3
_SUPPORTED_FEATURES: Final = 0
"""Tag of the field with the features that the broker supports."""
_FEATURE: Final = "metadata.version"
_FEATURES: Final = CompactArray(
    ("name", CompactString("utf-8")), ("min_version", Int16), ("max_version", Int16), ("tags", TaggedFields)
)
_LAST_LEVELS: Final = {
    "3.0": 1,
    "3.1": 2,
    "3.2": 3,
    "3.3": 7,
    "3.4": 8,
    "3.5": 11,
    "3.6": 14,
    "3.7": 19,
    "3.8": 20,
    "3.9": 21,
    "4.0": 25,
    "4.1": 27,
    "4.2": 29,
    "4.3": 30,
    "4.4": 33,
}
"""Release -> its highest level of the feature, in order."""


class _VersionsResponse(Response):  # type: ignore[misc]  # aiokafka ships no types
    API_KEY = _API_VERSIONS
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("error_code", Int16),
        (
            "api_keys",
            CompactArray(("api_key", Int16), ("min_version", Int16), ("max_version", Int16), ("tags", TaggedFields)),
        ),
        ("throttle_time_ms", Int32),
        ("tags", TaggedFields),
    )


class _VersionsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = _API_VERSIONS
    API_VERSION = _VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _VersionsResponse
    SCHEMA = Schema(
        ("client_software_name", CompactString("utf-8")),
        ("client_software_version", CompactString("utf-8")),
        ("tags", TaggedFields),
    )

    def parse_response_header(self, read_buffer: BytesIO | bytes) -> Any:
        """Return the header; of this response alone it is never flexible (KIP-511)."""
        return ResponseHeader_v0.decode(read_buffer)


class BrokerReleaseRequest(Request[_VersionsStruct]):  # type: ignore[misc]
    """Asks one broker what it supports."""

    API_KEY: ClassVar[int] = _API_VERSIONS

    def build(self, request_struct_class: type[Any]) -> Any:
        """Return the request, as aiokafka's connection sends it."""
        return request_struct_class("chatbridge", "1", {})


def release_of(response: Any) -> str | None:
    """Return the release of the broker, such as 4.2; None when it does not tell (another product, or before 3.0)."""
    raw = response.tags.get(_SUPPORTED_FEATURES)
    features = [] if raw is None else _FEATURES.decode(BytesIO(raw)) or []
    level = next((highest for name, _, highest, _ in features if name == _FEATURE), None)
    return None if level is None else release_of_level(level)


def release_of_level(level: int) -> str | None:
    """Return the release whose highest level of `metadata.version` this is; None below the first one."""
    if level < 1:
        return None
    later = f"later than {next(reversed(_LAST_LEVELS))}"
    return next((release for release, last in _LAST_LEVELS.items() if level <= last), later)
