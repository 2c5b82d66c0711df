"""How long the connections of monitors lived, as the journal of a Chat Server tells: read as JSON, like the ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_JOIN = "RequestJoin"
_REGISTER = "RequestRegister"
_MONITOR = "newParty VIP"


@dataclass(slots=True)
class _Connection:
    """`alive` is when it last gave a sign of life, or ended."""

    alive: float = 0.0


@dataclass(slots=True)
class JournalConnections:
    """Per chat, for each of its monitors in the order of their joins: the connection that it came over."""

    _current: dict[int, _Connection] = field(default_factory=dict)
    _joins: dict[str, list[_Connection]] = field(default_factory=dict)

    def take(self, line: dict[str, Any]) -> None:
        """Take the next line. Numbers of connections begin again when a server takes over or starts again."""
        number = line["connection"]
        if number not in self._current or line.get("request") == _REGISTER:
            self._current[number] = _Connection()
        connection = self._current[number]
        connection.alive = line["at"]
        if line.get("request") == _JOIN and line["caused"].get(_MONITOR):
            self._joins.setdefault(line["session_id"], []).append(connection)

    def lives(self, session_id: str) -> list[float]:
        """Return until when the connections of the monitors of a chat surely lived, in the order of their joins."""
        return [one.alive for one in self._joins.get(session_id, ())]


def read_connections(journal: Path) -> JournalConnections:
    """Return the connections in a journal, none if there is no such file. An incomplete last line is left out."""
    found = JournalConnections()
    for line in journal.read_bytes().split(b"\n")[:-1] if journal.is_file() else ():
        found.take(json.loads(line))
    return found
