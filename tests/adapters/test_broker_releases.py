"""Which release of Kafka a broker is, by the levels of `metadata.version` that it supports."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from bridge.adapters.kafka.cluster_requests import log_sizes
from bridge.adapters.kafka.version_requests import release_of, release_of_level


@pytest.mark.parametrize(
    ("level", "release"),
    [(0, None), (1, "3.0"), (7, "3.3"), (25, "4.0"), (28, "4.2"), (29, "4.2"), (30, "4.3"), (34, "later than 4.4")],
)
def test_a_level_belongs_to_one_release(level: int, release: str | None) -> None:
    assert release_of_level(level) == release


def features(*found: tuple[str, int]) -> bytes:
    """Return the tagged field with supported features, as KIP-584 and KIP-482 lay it out."""
    parts = [
        bytes([len(name) + 1]) + name.encode() + b"\x00\x01" + level.to_bytes(2) + b"\x00" for name, level in found
    ]
    return bytes([len(found) + 1]) + b"".join(parts)


@pytest.mark.parametrize(
    ("tags", "release"),
    [
        ({0: features(("kraft.version", 1), ("metadata.version", 29))}, "4.2"),
        ({0: features(("kraft.version", 1))}, None),
        ({0: features()}, None),
        ({1: b"\x00"}, None),
        ({}, None),
    ],
)
def test_a_broker_that_does_not_name_the_feature_does_not_tell(tags: dict[int, bytes], release: str | None) -> None:
    assert release_of(SimpleNamespace(tags=tags)) == release


def directories(*sizes: tuple[str, int, int, bool]) -> SimpleNamespace:
    topics = [(topic, [(partition, size, 0, moving)]) for topic, partition, size, moving in sizes]
    return SimpleNamespace(results=[(0, "/data", topics)])


def test_the_largest_replica_counts_and_one_that_is_being_moved_does_not() -> None:
    found = log_sizes([directories(("t", 0, 10, False), ("t", 1, 5, False)), directories(("t", 0, 12, False))])
    assert found == {"t": {0: 12, 1: 5}}
    assert log_sizes([directories(("t", 0, 10, True))]) == {}


def test_a_broker_that_names_no_directory_may_not_tell() -> None:
    assert log_sizes([directories(("t", 0, 10, False)), SimpleNamespace(results=[])]) is None
