"""When certificates end, as a worker's metrics show it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.support.processes import Bridge

_SHOWN: Final = re.compile(
    r'^chatbridge_certificate_expiry_timestamp_seconds\{which="(\w+)"\} (\S+)$', re.MULTILINE | re.ASCII
)


def ends_in(page: str) -> dict[str, float]:
    """Return `which` -> seconds since 1970 UTC, of all certificates and authorities on a page of metrics."""
    return {which: float(end) for which, end in _SHOWN.findall(page)}


def shown_ends(bridge: Bridge) -> dict[str, float]:
    """Return `which` -> seconds since 1970 UTC, of all certificates and authorities that the worker shows."""
    return ends_in(bridge.get("/metrics")[1].decode())
