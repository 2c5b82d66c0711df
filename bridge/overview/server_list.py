"""The Chat Servers of a worker: what its shards do there, and what went wrong there last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.capture.ports import PlaceUse
from bridge.overview.worker_report import ServerRow, Servers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.overview.worker_report import LastError

MOST_SERVERS: Final = 64
"""Servers in one report, and servers whose errors are remembered: the addresses come with announcements."""


class LastErrors:
    """The last error of each server; of the MOST_SERVERS that had one last."""

    def __init__(self) -> None:
        """There are none."""
        self._errors: dict[str, LastError] = {}

    def note(self, server: str, error: LastError) -> None:
        """Remember an error instead of the server's former one."""
        self._errors.pop(server, None)
        if len(self._errors) >= MOST_SERVERS:
            del self._errors[next(iter(self._errors))]
        self._errors[server] = error

    def all(self) -> Mapping[str, LastError]:
        """Return server -> error."""
        return self._errors


def together(uses: Iterable[Mapping[str, PlaceUse]]) -> dict[str, PlaceUse]:
    """Return the sums of what several shards do."""
    found: dict[str, PlaceUse] = {}
    for one in uses:
        for server, use in one.items():
            total = found.setdefault(server, PlaceUse())
            total.links += use.links
            total.joined += use.joined
            total.waiting += use.waiting
            total.versions |= use.versions
    return found


def servers_of(uses: Mapping[str, PlaceUse], errors: Mapping[str, LastError]) -> Servers:
    """Return a row for each server, those with the most waiting chats first, and then those with the most joined."""
    rows = [
        ServerRow(
            server=server,
            links=use.links,
            joined=use.joined,
            waiting=use.waiting,
            client_versions=sorted(use.versions),
            last_error=errors.get(server),
        )
        for server in uses.keys() | errors.keys()
        for use in (uses.get(server) or PlaceUse(),)
    ]
    rows.sort(key=lambda one: (-one.waiting, -one.joined, -one.links, one.server))
    return Servers(total=len(rows), rows=rows[:MOST_SERVERS])
