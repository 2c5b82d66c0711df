"""What a worker can show: the names of its series, their labels and the closed sets of their values."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from typing import TYPE_CHECKING, Final

from bridge.meters import CERTIFICATES, Meters
from bridge.reason_codes import REASON_CODES

if TYPE_CHECKING:
    from collections.abc import Mapping

_FROM_PROMETHEUS: Final = "up"
_READ_IN_A_WORKER: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "chatbridge_build_info": {"version": (), "python": (), "aiokafka": (), "core": ("compiled", "python")},
    "chatbridge_certificate_expiry_timestamp_seconds": {"which": CERTIFICATES},
    "chatbridge_config_info": {"hash": ()},
    "chatbridge_memory_limit_bytes": {},
    "chatbridge_not_ready": {"code": tuple(code.lower() for code in REASON_CODES)},
    "chatbridge_unstable_servers": {"server": ()},
}
"""Metrics whose series, or some of them, are there only in a worker that runs, and their labels."""


@cache
def known_series() -> Mapping[str, Mapping[str, set[str]]]:
    """Return name of a series -> label -> values."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    found[_FROM_PROMETHEUS] = {}
    for family in Meters().registry.collect():
        for sample in family.samples:
            labels = found[sample.name]
            for label, value in sample.labels.items():
                labels[label].add(value)
        if family.name in _READ_IN_A_WORKER:
            labels = found[family.name]
            for label, values in _READ_IN_A_WORKER[family.name].items():
                labels[label].update(values)
    return found
