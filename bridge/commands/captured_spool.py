"""What the topics hold, put together chat by chat in a temporary file, so that no more than one chat is in memory.

The file has no name while it is used, and is gone with the process; it takes about as much space as the records
without compression, in the folder that TMPDIR names.
"""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec

from bridge.commands.temporary_files import made_in_a_temporary_folder
from bridge.reconciliation.captured_chat import CapturedChat
from bridge.records.session_records import CLOSED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TABLES: Final = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16000; PRAGMA temp_store = FILE;
CREATE TABLE events (
    chat TEXT, epoch INT, sequence INT, record BLOB, PRIMARY KEY (chat, epoch, sequence)
) WITHOUT ROWID;
CREATE TABLE chats (chat TEXT PRIMARY KEY, certificate BLOB, is_compared INT DEFAULT 0) WITHOUT ROWID;
"""


class CapturedSpool:
    """Used as a context manager: takes records in the order of their topics, then gives chats."""

    def __init__(self) -> None:
        """Make the file. Raises EnvironmentFault."""
        with (
            made_in_a_temporary_folder(),
            tempfile.NamedTemporaryFile(prefix="chatbridge-", delete=False) as file,
        ):
            path = Path(file.name)
        self._data = sqlite3.connect(path, isolation_level=None)
        self._data.executescript(_TABLES)
        path.unlink()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder().decode

    def __enter__(self) -> Self:
        """Return it."""
        self._data.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        """Forget everything."""
        self._data.close()

    def take_events(self, records: Iterable[dict[str, Any]]) -> None:
        """Take decoded TranscriptEvents."""
        rows = [(one["sessionId"], one["epoch"], one["sequence"], self._encode(one)) for one in records]
        self._data.executemany("INSERT OR REPLACE INTO events VALUES (?, ?, ?, ?)", rows)
        self._data.executemany("INSERT OR IGNORE INTO chats (chat) VALUES (?)", {(row[0],) for row in rows})

    def take_sessions(self, records: Iterable[dict[str, Any]]) -> None:
        """Take decoded SessionRecords; the last one of a chat counts."""
        for one in records:
            certificate = self._encode(one["certificate"]) if one["state"] == CLOSED else None
            self._data.execute(
                "INSERT OR REPLACE INTO chats (chat, certificate) VALUES (?, ?)", (one["sessionId"], certificate)
            )

    @property
    def count(self) -> int:
        """How many chats it holds."""
        return int(self._data.execute("SELECT count(*) FROM chats").fetchone()[0])

    def chat(self, session_id: str) -> CapturedChat:
        """Return a chat, and note that it was compared."""
        row = self._data.execute("SELECT certificate FROM chats WHERE chat = ?", (session_id,)).fetchone()
        if row is None:
            return CapturedChat(session_id, is_known=False)
        self._data.execute("UPDATE chats SET is_compared = 1 WHERE chat = ?", (session_id,))
        found = self._data.execute("SELECT record FROM events WHERE chat = ? ORDER BY epoch, sequence", (session_id,))
        records = [self._decode(one) for (one,) in found]
        return CapturedChat(session_id, records, None if row[0] is None else self._decode(row[0]))

    def others(self) -> Iterator[CapturedChat]:
        """Yield the chats that were not asked for."""
        found = self._data.execute("SELECT chat FROM chats WHERE is_compared = 0 ORDER BY chat").fetchall()
        for (session_id,) in found:
            yield self.chat(session_id)
