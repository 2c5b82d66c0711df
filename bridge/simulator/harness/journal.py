"""What clients requested and which effects that had, to show that a silent monitor does not disturb chats.

Counters per request name, and optionally one JSON line per request. Connections are numbered; a standby counts from
1,000,000,000 on. User data and texts are not written, because they
may contain passwords.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from bridge.chatserver.messages import RequestRegister
from bridge.simulator.model.effects import EventAdded, SessionClosed, SessionOpened

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from bridge.chatserver.messages import Message
    from bridge.simulator.model.effects import Effect


class Journal:
    """A request observer that counts and, with a path, writes JSON lines. `close` closes the file."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` is overwritten."""
        self.requests: Counter[str] = Counter()
        self.caused: Counter[str] = Counter()
        self.dropped_connections: Counter[str] = Counter()
        self._nicknames: dict[int, str] = {}
        self._file: BinaryIO | None = None if path is None else path.open("wb")

    def request_handled(self, connection: int, request: Message, effects: list[Effect], now: float) -> None:
        """Record a request and its effects on sessions."""
        name = type(request).__name__
        self.requests[name] += 1
        if isinstance(request, RequestRegister):
            self._nicknames[connection] = request.user_nickname
        changes = _changes(effects)
        self.caused.update(changes)
        if self._file is not None:
            details = {
                key: getattr(request, key)
                for key in ("session_id", "visibility", "after_action", "user_id", "queue_key")
                if getattr(request, key, None) is not None
            }
            self._write(connection, now, {"request": name, **details, "caused": changes})

    def line_unreadable(self, connection: int, now: float) -> None:
        """Record an unreadable line."""
        self.requests["unreadable"] += 1
        self._write(connection, now, {"request": "unreadable"})

    def raw_sent(self, connection: int, length: int, now: float) -> None:
        """Record that an injected fault sends bytes as they are."""
        self._write(connection, now, {"raw": length})

    def connection_dropped(self, connection: int, reason: str, now: float) -> None:
        """Record that the server closes a connection."""
        self.dropped_connections[reason] += 1
        self._write(connection, now, {"dropped": reason})

    def connection_lost(self, connection: int, effects: list[Effect], now: float) -> None:
        """Record the end of a connection and its effects on sessions."""
        changes = _changes(effects)
        self.caused.update(changes)
        self._write(connection, now, {"disconnected": True, "caused": changes})
        self._nicknames.pop(connection, None)

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def flush(self) -> None:
        """Make everything recorded so far readable by other processes."""
        if self._file is not None:
            self._file.flush()

    def _write(self, connection: int, now: float, fields: dict[str, object]) -> None:
        if self._file is None:
            return
        line = {"at": now, "connection": connection, "nickname": self._nicknames.get(connection, ""), **fields}
        self._file.write(msgspec.json.encode(line) + b"\n")


def _changes(effects: list[Effect]) -> dict[str, int]:
    """Count the effects on sessions: events by type and visibility, sessions opened and closed."""
    changes: Counter[str] = Counter()
    for effect in effects:
        if isinstance(effect, EventAdded):
            changes[f"{effect.event.event_type} {effect.event.visibility}"] += 1
        elif isinstance(effect, SessionOpened):
            changes["opened"] += 1
        elif isinstance(effect, SessionClosed):
            changes["closed"] += 1
    return dict(changes)
