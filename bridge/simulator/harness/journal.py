"""What clients asked of the server and what came of it, for showing that a monitor does no harm.

Counters per request name, and optionally one JSON line per request. User data and texts are not written: passwords
travel there.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from bridge.chatserver.messages import RequestRegister
from bridge.simulator.model.effects import Closed, Opened, Said

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from bridge.chatserver.messages import Message
    from bridge.simulator.model.effects import Effect


class Journal:
    """Counts always; writes when it has a path. `close` ends the file."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` is written anew."""
        self.requests: Counter[str] = Counter()
        self.caused: Counter[str] = Counter()
        self.dropped_connections: Counter[str] = Counter()
        self._nicknames: dict[int, str] = {}
        self._file: BinaryIO | None = None if path is None else path.open("wb")

    def asked(self, connection: int, request: Message, effects: list[Effect], now: float) -> None:
        """Note a request and what it changed in the sessions."""
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

    def unreadable(self, connection: int, now: float) -> None:
        """Note a line that was no message."""
        self.requests["unreadable"] += 1
        self._write(connection, now, {"request": "unreadable"})

    def dropped(self, connection: int, reason: str, now: float) -> None:
        """Note that the server cut a connection."""
        self.dropped_connections[reason] += 1
        self._write(connection, now, {"dropped": reason})

    def disconnected(self, connection: int, effects: list[Effect], now: float) -> None:
        """Note the end of a connection and what it changed."""
        changes = _changes(effects)
        self.caused.update(changes)
        self._write(connection, now, {"disconnected": True, "caused": changes})
        self._nicknames.pop(connection, None)

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def flush(self) -> None:
        """Let other processes see what was written."""
        if self._file is not None:
            self._file.flush()

    def _write(self, connection: int, now: float, fields: dict[str, object]) -> None:
        if self._file is None:
            return
        line = {"at": now, "connection": connection, "nickname": self._nicknames.get(connection, ""), **fields}
        self._file.write(msgspec.json.encode(line) + b"\n")


def _changes(effects: list[Effect]) -> dict[str, int]:
    """Count what happened to sessions: events by type and visibility, sessions opened and closed."""
    changes: Counter[str] = Counter()
    for effect in effects:
        if isinstance(effect, Said):
            changes[f"{effect.event.event_type} {effect.event.visibility}"] += 1
        elif isinstance(effect, Opened):
            changes["opened"] += 1
        elif isinstance(effect, Closed):
            changes["closed"] += 1
    return dict(changes)
