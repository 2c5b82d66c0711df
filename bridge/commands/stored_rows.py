"""The stored transcripts of a UCS database and of its archive, as the chats that `chatbridge convert` converts.

A chat that is in both databases, because it is moved between them just now, is read from both and merged. Each page is
taken with its counterparts of the other database, so that no more than a page is in memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from bridge.archive.repaired_xml import read_repaired
from bridge.commands.stored_files import StoredChat
from bridge.errors import UnreadableTranscript
from bridge.sources.ucs.interaction_rows import NO_START, document_of
from bridge.sources.ucs.start_offsets import offset_minutes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from bridge.archive.repairs import TranscriptRepair
    from bridge.archive.stored_documents import StoredDocument
    from bridge.sources.ucs.database import UcsDatabase
    from bridge.sources.ucs.interaction_rows import InteractionRow

UNREADABLE_ROW: Final = "UNREADABLE_ROW"
OTHER_CHAT: Final = "OTHER_CHAT"
TIME_ZONE: Final = "TIME_ZONE"
OVERLAP: Final = timedelta(hours=1)


@dataclass(slots=True)
class StoredRows:
    """Reads databases, the main one first. The callbacks are those of StoredFiles; `warned` takes a line for people.

    `lacking` takes a row that is not over or has no text, and its place.
    """

    databases: list[UcsDatabase]
    strict: bool
    refused: Callable[[str, str], None]
    mended: Callable[[str, list[TranscriptRepair]], None]
    warned: Callable[[str], None]
    lacking: Callable[[str, InteractionRow], None]
    offsets: set[int] = field(default_factory=set)
    """Differences between STARTDATE and startAt that were told, in minutes."""

    def chats(self, since: datetime) -> Iterator[StoredChat]:
        """Yield each chat that started at `since` (UTC) or later, is over, and has a transcript that can be read.

        After the last page of a database, what has become visible meanwhile in the last hour of it is read as well.
        The databases are closed at the end.
        """
        done: set[str] = set()
        try:
            for index, database in enumerate(self.databases):
                latest = since
                for page in database.pages(since):
                    latest = max([latest, *(row.start_date for row in page if row.start_date != NO_START)])
                    yield from self._page(index, page, done)
                for page in database.pages(max(since, latest - OVERLAP)):
                    yield from self._page(index, page, done)
        finally:
            for database in self.databases:
                database.close()

    def _page(self, index: int, page: list[InteractionRow], done: set[str]) -> Iterator[StoredChat]:
        found = {row.id: [(self.databases[index], row)] for row in page if row.id not in done}
        done.update(found)
        for other in self.databases[index + 1 :] if found else ():
            for row in other.rows(list(found)):
                found[row.id].append((other, row))
        for session_id, rows in found.items():
            yield from self._chat(session_id, rows)

    def _chat(self, session_id: str, rows: list[tuple[UcsDatabase, InteractionRow]]) -> Iterator[StoredChat]:
        chat = StoredChat(session_id)
        over = [(database, row) for database, row in rows if row.is_final or row.unreadable]
        for database, row in over:
            copy = self._copy(f"{database.place}#{row.id}", row)
            if copy is not None:
                chat.copies.append(copy)
                chat.places.append(f"{database.place}#{row.id}")
                chat.texts.append(document_of(row.text or ""))
        if chat.copies:
            yield chat
        elif not over:
            database, row = rows[0]
            self.lacking(f"{database.place}#{row.id}", row)

    def _copy(self, name: str, row: InteractionRow) -> StoredDocument | None:
        if row.text is None:
            self.refused(name, f"{name}:0: {UNREADABLE_ROW}: {row.unreadable}")
            return None
        try:
            read = read_repaired(document_of(row.text), name, session_id=row.id)
        except UnreadableTranscript as error:
            self.refused(name, str(error))
            return None
        if read.repairs and self.strict:
            first = read.repairs[0]
            self.refused(name, f"{name}:{first.line}: {first.code}: the transcript is damaged")
            return None
        if read.repairs:
            self.mended(name, read.repairs)
        own = [document for document in read.documents if document.session_id == row.id]
        if not own:
            self.refused(name, f"{name}:0: {OTHER_CHAT}: the transcript is of another chat than the row")
            return None
        self._compare_times(name, row, own[0])
        return own[0]

    def _compare_times(self, name: str, row: InteractionRow, copy: StoredDocument) -> None:
        minutes = offset_minutes(row.start_date, copy.transcript.start_at)
        if minutes and minutes not in self.offsets:
            self.offsets.add(minutes)
            self.warned(f"{name}:0: {TIME_ZONE}: STARTDATE is {minutes:+} minutes from the transcript's startAt")
