"""How long the connections of monitors lived, as the journal of a Chat Server tells: read as JSON, like the ledger."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

_JOIN = "RequestJoin"
_MONITOR = "newParty VIP"
_OF_A_SERVER = 1_000_000_000
"""Connections of the standby are numbered from here on."""
_LINE_END: Final = 1
"""Length of what a fault sends at its end, which is no line of its own."""


@dataclass(slots=True)
class JournalConnections:
    """Per chat, for each of its monitors in the order of their joins: the connection that it came over."""

    _ended: dict[int, float] = field(default_factory=dict)
    _joins: dict[str, list[int]] = field(default_factory=dict)
    _asked: dict[str, list[float]] = field(default_factory=dict)
    raw: dict[int, list[float]] = field(default_factory=dict)
    """Connection -> when a fault sent bytes as they are over it, but for what only ends a line."""
    _served: dict[int, float] = field(default_factory=dict)
    """Server (the one, or its standby) -> when it last wrote a line."""

    def take(self, line: dict[str, Any]) -> None:
        """Take the next line."""
        number = line["connection"]
        self._served[number // _OF_A_SERVER] = line["at"]
        if line.get("disconnected") or line.get("dropped"):
            self._ended.setdefault(number, line["at"])
        elif line.get("raw", 0) > _LINE_END:
            self.raw.setdefault(number, []).append(line["at"])
        elif line.get("request") == _JOIN:
            self._asked.setdefault(line["session_id"], []).append(line["at"])
            if line["caused"].get(_MONITOR):
                self._joins.setdefault(line["session_id"], []).append(number)

    def joined(self, session_id: str) -> list[int]:
        """Return the connections of the monitors of a chat, in the order of their joins."""
        return self._joins.get(session_id, [])

    def asked(self, session_id: str) -> list[float]:
        """Return when somebody asked to join a chat, also in vain."""
        return self._asked.get(session_id, [])

    def lives(self, session_id: str) -> list[float]:
        """Return until when the connections of the monitors of a chat surely lived, in the order of their joins.

        One whose end is not told lived at least as long as its server has told anything.
        """
        return [self._ended.get(one, self._served[one // _OF_A_SERVER]) for one in self.joined(session_id)]


def read_connections(journal: Path) -> JournalConnections:
    """Return the connections in a journal, none if there is no such file. An incomplete last line is left out."""
    found = JournalConnections()
    for line in journal.read_bytes().split(b"\n")[:-1] if journal.is_file() else ():
        found.take(json.loads(line))
    return found
