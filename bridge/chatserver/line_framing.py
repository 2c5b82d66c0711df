"""Lines out of a byte stream, with a length limit that is enforced while the bytes arrive.

LF is the only delimiter. A CR is content like any other byte: it is never removed and never ends a line (JSON treats a
CR around its value as white space, so a peer that writes CR LF is understood by the decoder, not by the framing). An
empty line is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class LongLine(Protocol):
    """A line beyond the limit that is taken as it arrives, and not held here."""

    @property
    def held(self) -> int:
        """Bytes of it that are held."""

    @property
    def too_long(self) -> bool:
        """Whether it is longer than it may be; only `head` is held then."""

    @property
    def head(self) -> bytes:
        """Its beginning."""

    @property
    def length(self) -> int:
        """Bytes of it that have arrived."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of it."""


@dataclass(slots=True, frozen=True)
class OversizedLine:
    """A line beyond the limit: its first bytes, and the length in bytes of what arrived of it, without the LF."""

    head: bytes
    length: int


class LineFramer:
    """Splits one stream into lines. Sans-IO: `feed` what arrives, in chunks of any size; `close` at the end.

    `limit` is the longest line in bytes, LF not counted; `keep` is how much of a longer one is kept, unless `longer`
    makes something that takes it. Holds at most `limit` bytes, and scans no byte twice while the end of a line is
    missing.
    """

    __slots__ = ("_held", "_keep", "_length", "_limit", "_longer", "long")

    def __init__(self, limit: int, keep: int = 65536, longer: Callable[[], LongLine] | None = None) -> None:
        """Start with an empty buffer."""
        self.long: LongLine | None = None  #: takes the unfinished line
        self._longer = longer
        self._limit = limit
        self._keep = min(keep, limit)
        self._held = bytearray()  # the unfinished line; only its head once it is too long
        self._length = 0  # of the unfinished line, held or not

    @property
    def buffered(self) -> int:
        """Bytes held of the unfinished line."""
        return len(self._held) if self.long is None else self.long.held

    @property
    def length(self) -> int:
        """Bytes of the unfinished line, held or not."""
        return self._length

    def feed(self, data: bytes) -> list[bytes | OversizedLine | LongLine]:
        """Return the lines that `data` completes, without their LF; one beyond the limit is reported when it ends."""
        pieces = data.split(b"\n")
        rest = pieces.pop()
        lines: list[bytes | OversizedLine | LongLine] = []
        if pieces:
            if self._length:
                self._hold(pieces[0])
                lines.append(self._take())
                del pieces[0]
            for piece in pieces:
                if len(piece) > self._limit:
                    self._hold(piece)
                    lines.append(self._take())
                elif piece:
                    lines.append(piece)
        if rest:
            self._hold(rest)
        return lines

    def close(self) -> OversizedLine | LongLine | None:
        """End the stream. An unfinished line is dropped, unless it is beyond the limit already: that is reported."""
        line = self._take()
        return None if isinstance(line, bytes) else line

    def _hold(self, piece: bytes) -> None:
        before = self._length
        self._length += len(piece)
        if self._length <= self._limit:
            self._held += piece
        elif self._longer is not None:
            if self.long is None:
                self.long = self._longer()
                self.long.feed(bytes(self._held))
                self._held.clear()
            self.long.feed(piece)
        else:  # too long, now or before: keep the head, count the rest
            self._held += piece[: max(0, self._keep - before)]
            del self._held[self._keep :]

    def _take(self) -> bytes | OversizedLine | LongLine:
        long, self.long = self.long, None
        if long is not None:
            self._length = 0
            return long
        held, length = bytes(self._held), self._length
        self._held.clear()
        self._length = 0
        return held if length <= self._limit else OversizedLine(held, length)
