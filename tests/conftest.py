"""Which tests `make test` runs: all but the long ones that break things on purpose, which `make faults` runs."""

from __future__ import annotations

from typing import Final

import pytest

FAULTS: Final = {
    "test_crashed_shard.py",
    "test_do_no_harm.py",
    "test_kafka_backlog.py",
    "test_kafka_faults.py",
    "test_links.py",
    "test_scale_out.py",
}
"""Minutes each, most of them waiting for time-outs: on a machine with other work they say more about the machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of these files."""
    for item in items:
        if item.path.name in FAULTS:
            item.add_marker(pytest.mark.faults)
