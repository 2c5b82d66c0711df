"""The stored transcripts of files, folders, standard input and Avro containers, chat by chat.

Two passes, so that no more than one chat is in memory: the first tells where each chat lies, the second reads the
copies of one chat after the other. What cannot be read twice (standard input, a pipe), and the transcripts that the
records of an Avro container give, are kept in a temporary file without a name. Of each document some hundred bytes are
in memory.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Self, cast

from bridge.archive.document_splitting import DocumentSplitter
from bridge.archive.repaired_xml import read_repaired
from bridge.archive.ucs_xml import MAX_BYTES
from bridge.commands.archived_chats import DAMAGED, UNREADABLE_FILE, ArchivedChat, ArchivedCopy, Refusal
from bridge.commands.avro_containers import CONTAINER, transcripts_in
from bridge.commands.temporary_files import made_in_a_temporary_folder
from bridge.errors import UnreadableTranscript
from bridge.transcript.input_codes import TOO_LONG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bridge.archive.stored_documents import ReadDocuments
    from bridge.commands.archived_chats import Refuse

STANDARD_INPUT: Final = Path("-")
_CHUNK: Final = 1 << 20
_SUFFIXES: Final = frozenset((".xml", ".avro"))


@dataclass(slots=True, frozen=True)
class _Document:
    """Where a document lies: in a file, or (None) in the temporary one."""

    file: Path | None
    offset: int
    length: int
    place: str


class ArchivedFiles:
    """Used as a context manager. `strict` refuses what has to be repaired; `refuse` is told what gives nothing."""

    def __init__(self, refuse: Refuse, *, strict: bool = False) -> None:
        """Nothing is read yet."""
        self._refuse = refuse
        self._strict = strict
        self._places: dict[str, list[_Document]] = {}
        with made_in_a_temporary_folder():
            self._kept: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self.documents = 0

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget what was kept."""
        self._kept.close()

    @property
    def chats(self) -> int:
        """How many chats were found."""
        return len(self._places)

    def look_through(self, paths: Iterable[Path], progress: Callable[[int], None] = lambda _: None) -> None:
        """Read all for the first time. Files of folders are those whose names end with .xml or .avro.

        `progress` is called with the number of documents so far.
        """
        for path in paths:
            try:
                files = self._files_in(path) if path.is_dir() else [path]
            except OSError as error:
                self._unreadable(path, error)
                continue
            for file in files:
                try:
                    self._look_into(file, progress)
                except OSError as error:
                    self._unreadable(file, error)

    def each(self) -> Iterator[ArchivedChat]:
        """Yield the chats, in the order in which they occur first."""
        for session_id, places in self._places.items():
            chat = ArchivedChat(session_id)
            for document in places:
                try:
                    text = self._text_of(document)
                    read = read_repaired(text, document.place)
                except (OSError, UnreadableTranscript) as error:  # it was readable a moment ago
                    line = f"{document.place}:0: {type(error).__name__}: it has changed while it was read"
                    self._refuse(Refusal(document.place, session_id, UNREADABLE_FILE, line))
                    continue
                own = [one for one in read.documents if one.session_id == session_id]
                if own:
                    chat.copies.append(ArchivedCopy(document.place, text, own, len(read.repairs)))
            if chat.copies:
                yield chat

    # --- the first pass ----------------------------------------------------------------------------------------------

    def _files_in(self, folder: Path) -> list[Path]:
        """Return the files at any depth, in the order of their names; refuse what cannot be looked into."""
        found: list[Path] = []
        for parent, _, names in os.walk(folder, onerror=lambda error: self._unreadable(error.filename, error)):
            for path in (Path(parent, name) for name in names):
                if path.suffix.lower() in _SUFFIXES:
                    try:
                        if stat.S_ISREG(path.stat().st_mode):
                            found.append(path)
                    except OSError as error:
                        self._unreadable(path, error)
        return sorted(found)

    def _unreadable(self, place: Path | str, error: OSError) -> None:
        self._refuse(Refusal(str(place), "", UNREADABLE_FILE, f"{place}:0: {error.strerror}"))

    def _look_into(self, file: Path, progress: Callable[[int], None]) -> None:
        if file == STANDARD_INPUT:
            self._look_into_stream(None, "standard input", sys.stdin.buffer, progress)
        else:
            with file.open("rb") as stream:
                again = file if file.is_file() else None
                self._look_into_stream(again, str(file), stream, progress)

    def _look_into_stream(
        self, file: Path | None, place: str, stream: IO[bytes], progress: Callable[[int], None]
    ) -> None:
        first = _read(stream)
        if first.startswith(CONTAINER):
            self._look_into_container(place, first, stream, progress)
            return
        splitter, base = DocumentSplitter(), self._kept.seek(0, 2)
        found: list[tuple[int, int]] = []
        while first:
            if file is None:
                self._kept.write(first)
            found += splitter.feed(first)
            first = _read(stream)
        found += splitter.end()
        for number, (offset, length) in enumerate(found, 1):
            name = place if len(found) == 1 else f"{place}[{number}]"
            self._take(_Document(file, offset + (0 if file else base), length, name))
            progress(self.documents)

    def _look_into_container(
        self, place: str, first: bytes, stream: IO[bytes], progress: Callable[[int], None]
    ) -> None:
        for session_id, told in transcripts_in(place, first, stream):
            name = f"{place}#{session_id}"
            self.documents += 1
            if isinstance(told, Refusal):
                self._refuse(told)
            else:
                offset = self._kept.seek(0, 2)
                self._kept.write(told)
                self._places.setdefault(session_id, []).append(_Document(None, offset, len(told), name))
            progress(self.documents)

    def _take(self, document: _Document) -> None:
        self.documents += 1
        read = self._first_read(document)
        for session_id in dict.fromkeys(one.session_id for one in read.documents) if read else ():
            self._places.setdefault(session_id, []).append(document)

    def _first_read(self, document: _Document) -> ReadDocuments | None:
        place = document.place
        if document.length > MAX_BYTES:
            what = f"{document.length} bytes; at most {MAX_BYTES} are read"
            self._refuse(Refusal(place, "", TOO_LONG, f"{place}:0: {TOO_LONG}: {what}"))
            return None
        try:
            read = read_repaired(self._text_of(document), place)
        except UnreadableTranscript as error:
            self._refuse(Refusal(place, "", error.code, str(error)))
            return None
        if read.repairs and self._strict:
            first, session_id = read.repairs[0], read.documents[0].session_id
            line = f"{place}:{first.line}: {first.code}: the transcript is damaged"
            self._refuse(Refusal(place, session_id, DAMAGED, line))
            return None
        return read

    def _text_of(self, document: _Document) -> bytes:
        if document.file is None:
            return _slice(self._kept, document)
        with document.file.open("rb") as stream:
            return _slice(cast("IO[bytes]", stream), document)


def _slice(stream: IO[bytes], document: _Document) -> bytes:
    stream.seek(document.offset)
    return stream.read(document.length)


def _read(stream: IO[bytes]) -> bytes:
    return stream.read(_CHUNK)
