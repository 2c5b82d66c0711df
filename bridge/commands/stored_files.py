"""The stored transcripts of many files: which chats they hold, and for each chat its copies in all of them.

Two passes over the files, so that no more than one chat is in memory: the first tells which file holds which chats, the
second reads a chat's copies. What is no regular file (a pipe) can be read once only, and is kept.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bridge.archive.repaired_xml import read_repaired
from bridge.errors import UnreadableTranscript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from bridge.archive.repairs import TranscriptRepair
    from bridge.archive.stored_documents import ReadDocuments, StoredDocument


@dataclass(slots=True)
class StoredChat:
    """The copies of one chat, and the file or row that each is in, as people read it."""

    session_id: str
    copies: list[StoredDocument] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    """What each row holds; empty for files, which can be read again."""


@dataclass(slots=True)
class StoredFiles:
    """Reads files. `strict` refuses what has to be repaired.

    `refused` is called once with each file that gives nothing, and the line that says why; `mended` once with each
    file that was repaired.
    """

    strict: bool
    refused: Callable[[str, str], None]
    mended: Callable[[str, list[TranscriptRepair]], None]
    _pipes: dict[Path, bytes] = field(default_factory=dict)

    def chats(self, files: Iterable[Path]) -> Iterator[StoredChat]:
        """Yield the chats of these files in the order in which they occur first. A repeated file counts once."""
        places: dict[str, list[Path]] = {}
        for file in dict.fromkeys(files):
            read = self._first_read(file)
            for session_id in dict.fromkeys(document.session_id for document in read.documents) if read else ():
                places.setdefault(session_id, []).append(file)
        for session_id, found in places.items():
            chat = StoredChat(session_id)
            for file in found:
                copies = [one for one in self._read(file).documents if one.session_id == session_id]
                chat.copies += copies
                chat.places += [str(file)] * len(copies)
            yield chat

    def _first_read(self, file: Path) -> ReadDocuments | None:
        try:
            read = self._read(file)
        except OSError as error:
            self.refused(str(file), f"{file}:0: {error.strerror}")
            return None
        except UnreadableTranscript as error:
            self.refused(str(file), str(error))
            return None
        if read.repairs and self.strict:
            first = read.repairs[0]
            self.refused(str(file), f"{file}:{first.line}: {first.code}: the transcript is damaged")
            return None
        if read.repairs:
            self.mended(str(file), read.repairs)
        return read

    def _read(self, file: Path) -> ReadDocuments:
        return read_repaired(self._bytes(file), str(file))

    def _bytes(self, file: Path) -> bytes:
        kept = self._pipes.get(file)
        if kept is None:
            kept = file.read_bytes()
            if not file.is_file():
                self._pipes[file] = kept
        return kept
