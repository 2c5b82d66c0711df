"""Rates of requests and of wrong tokens, by the address that they come from. No clock: the time is an argument."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Final

_MOST_ADDRESSES: Final = 4096
"""Addresses that are remembered; the one that was seen least recently is forgotten first."""
_NETWORK_BITS: Final = 64
"""Of an IPv6 address: whoever has one usually has all of its network."""


class RequestRates:
    """A bucket per address that holds `most` and is filled by `per_second`; each request takes one."""

    def __init__(self, per_second: float, most: float) -> None:
        """All buckets are full."""
        self._per_second = per_second
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, address: str, now: float) -> float:
        """Return for how many seconds nothing more is accepted from an address; 0.0: it is accepted now."""
        return max(0.0, 1.0 - self._level(source_of(address), now)) / self._per_second

    def take(self, address: str, now: float) -> None:
        """Count a request from an address, in seconds of any clock."""
        source = source_of(address)
        self._buckets[source] = max(0.0, self._level(source, now) - 1.0), now
        self._buckets.move_to_end(source)
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.popitem(last=False)

    def _level(self, source: str, now: float) -> float:
        level, at = self._buckets.get(source, (self._most, now))
        return min(self._most, level + (now - at) * self._per_second)


def source_of(address: str) -> str:
    """Return what counts as one source: an IPv4 address, or the network of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if found.version == 4:  # noqa: PLR2004 - IPv4
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _NETWORK_BITS), strict=False))
