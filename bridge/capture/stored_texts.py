"""Stored transcripts on their topic: a document as it was read, in one record or in several. Pure.

A record has the chat's session id as its key, a piece of the document as its value, and in its headers where and when
the document was read, whether it is the chat's last one, its digest, and which piece this is. The pieces of a document
lie in order on one partition; those of others may lie between them. A writer that was cut off begins again with the
first piece. Records of one Kafka transaction are there together or not at all. A chat of which no text will come has
an empty document, and a header that says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from bridge.announcement import session_id_problem
from bridge.capture.partition_numbers import asked_headers, asked_number
from bridge.errors import Problem
from bridge.transcript.input_codes import STORED_RECORD, STORED_TEXT_INCOMPLETE, TOO_LONG

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.capture.ports import Headers

MAX_TEXT_BYTES: Final = 64 * 1024 * 1024
"""Limit for one document; larger ones are refused by the reader of documents as well."""
MAX_PLACE_BYTES: Final = 512
"""Limit for the place in the headers: what is beyond it is cut off."""
_MAX_BEGUN_BYTES: Final = 2 * MAX_TEXT_BYTES
"""Limit for the pieces of documents that are not complete; the oldest document gives way."""
_MAX_OFFSETS: Final = 100_000
"""How many offsets a document may be incomplete: whoever wrote it is not there any more."""
_PIECES: Final = range(1, 1_000_001)
_CODE: Final = re.compile(r"[A-Z0-9_]{0,64}")


@dataclass(slots=True, frozen=True)
class StoredText:
    """The stored transcript of one chat, as it was read.

    `place` says where: the name of a file, or database#id; never a password. `text` is the document, not repaired.
    `final`: the chat is over, and this is its last stored text; else it may still grow. `read_at` in us since 1970 UTC.
    `missing`: there is no text, and none is expected any more: the code of the reason; `text` is empty then.
    `asked`: the number of partitions under which another shard passed it on to this one; None: it was not passed on.
    """

    session_id: str
    place: str
    text: bytes = field(repr=False)
    final: bool
    read_at: int
    missing: str = ""
    asked: int | None = None

    @property
    def size(self) -> int:
        """Bytes of the document."""
        return len(self.text)


def records_of(text: StoredText, room: int) -> list[tuple[Headers, bytes]]:
    """Return (headers, value) of the records that hold a text, in the order in which they are to be written.

    The key of each is the session id in UTF-8. `room` is the largest value in bytes, beside MAX_PLACE_BYTES and 256
    bytes of headers. Raises ValueError for a text longer than MAX_TEXT_BYTES, or for a `room` below 1.
    """
    if text.size > MAX_TEXT_BYTES:
        raise ValueError(f"a stored transcript of {text.size} bytes; at most {MAX_TEXT_BYTES} are taken")
    if room < 1:
        raise ValueError("no room for a stored transcript")
    place = text.place.encode("utf-8", "replace")[:MAX_PLACE_BYTES].decode("utf-8", "ignore").encode()
    parts = max(-(-text.size // room), 1)
    common: Headers = [
        ("place", place),
        ("final", b"1" if text.final else b"0"),
        ("readAt", b"%d" % text.read_at),
        ("digest", sha256(text.text).hexdigest().encode()),
        *([("missing", text.missing.encode())] if text.missing else ()),
        *(() if text.asked is None else asked_headers(text.asked)),
    ]
    return [
        ([*common, ("part", b"%d" % (part + 1)), ("parts", b"%d" % parts)], text.text[part * room : (part + 1) * room])
        for part in range(parts)
    ]


@dataclass(slots=True)
class _Begun:
    """A document of which pieces are there. `offset` is that of the first one."""

    text: StoredText
    parts: int
    offset: int
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0


class StoredTextParts:
    """Puts the records of one partition together again. Bounded: see the constants."""

    def __init__(self) -> None:
        """Nothing was taken yet."""
        self._begun: dict[tuple[str, bytes], _Begun] = {}
        self._size = 0

    @property
    def begun(self) -> int | None:
        """The offset of the first record of the oldest document that is not complete; None when there is none."""
        return min((one.offset for one in self._begun.values()), default=None)

    def take(
        self, key: bytes | None, headers: Iterable[tuple[str, bytes | None]], value: bytes | None, offset: int = 0
    ) -> StoredText | Problem | None:
        """Take the next record; return the text that it completes, or why it is none; None: it is part of one.

        The code of a Problem is one of input_codes.QUARANTINE_CODES. `offset` is that of the record.
        """
        try:
            text, digest, part, parts = _parsed(key, headers)
        except ValueError as error:
            return Problem(STORED_RECORD, str(error))
        if parts == 1:
            return _whole(text, [value or b""], digest)
        place = text.session_id, digest
        begun = self._begun.get(place)
        if part == 1 and (begun is None or begun.offset != offset):
            self._forget(place)
            begun = self._begun[place] = _Begun(text, parts, offset)
        if begun is None or begun.parts != parts or part > len(begun.pieces) + 1:
            return Problem(STORED_TEXT_INCOMPLETE, f"part {part} of {parts}, without those before it")
        if part > len(begun.pieces):  # else it was written twice, by a writer that was not sure
            return self._next(place, begun, value or b"", digest)
        return None

    def _next(
        self, place: tuple[str, bytes], begun: _Begun, piece: bytes, digest: bytes
    ) -> StoredText | Problem | None:
        begun.pieces.append(piece)
        begun.size += len(piece)
        self._size += len(piece)
        if len(begun.pieces) == begun.parts:
            self._forget(place)
            return _whole(begun.text, begun.pieces, digest)
        if begun.size > MAX_TEXT_BYTES:
            self._forget(place)
            return Problem(TOO_LONG, f"more than {MAX_TEXT_BYTES} bytes in {len(begun.pieces)} parts of {begun.parts}")
        return None

    def given_up(self, offset: int) -> list[tuple[str, Problem, bytes]]:
        """Take out the documents that will not be completed: (session id, why, what is there), as of an offset.

        To be called after `take`: it keeps what is held within its limits.
        """
        found: list[tuple[str, Problem, bytes]] = []
        for place, begun in list(self._begun.items()):
            if self._size <= _MAX_BEGUN_BYTES and offset - begun.offset <= _MAX_OFFSETS:
                break
            self._forget(place)
            why = Problem(STORED_TEXT_INCOMPLETE, f"{len(begun.pieces)} of {begun.parts} parts, and no more came")
            found.append((begun.text.session_id, why, b"".join(begun.pieces)))
        return found

    def _forget(self, place: tuple[str, bytes]) -> None:
        begun = self._begun.pop(place, None)
        self._size -= 0 if begun is None else begun.size


def _whole(text: StoredText, pieces: list[bytes], digest: bytes) -> StoredText | Problem:
    document = b"".join(pieces)
    if sha256(document).hexdigest().encode() != digest:
        return Problem(STORED_TEXT_INCOMPLETE, "the digest in the headers is that of another text")
    return replace(text, text=document)


def _parsed(key: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> tuple[StoredText, bytes, int, int]:
    """Return what a record says, but for its value. Raises ValueError, whose text names no content."""
    found = {name: value for name, value in headers if value is not None}  # Kafka has headers without a value
    session_id = (key or b"").decode("utf-8", "replace")
    if problem := session_id_problem(session_id):
        raise ValueError(f"the key: {problem}")
    missing = [name for name in ("place", "final", "readAt", "digest", "part", "parts") if name not in found]
    if missing:
        raise ValueError(f"no header {', '.join(missing)}")
    if found["final"] not in (b"0", b"1"):
        raise ValueError("the header final is neither 0 nor 1")
    part, parts, read_at = (_number(name, found[name]) for name in ("part", "parts", "readAt"))
    if parts not in _PIECES or part not in range(1, parts + 1):
        raise ValueError(f"the headers say part {part} of {parts}")
    place, code = found["place"].decode("utf-8", "replace"), found.get("missing", b"").decode("utf-8", "replace")
    if _CODE.fullmatch(code) is None:
        raise ValueError("the header missing is no code")
    text = StoredText(session_id, place, b"", found["final"] == b"1", read_at, code, asked_number(found.items()))
    return text, found["digest"], part, parts


def _number(name: str, value: bytes) -> int:
    if not value.isdigit() or len(value) > len(str(2**63 - 1)) or int(value) >= 2**63:
        raise ValueError(f"the header {name} is no number")
    return int(value)
