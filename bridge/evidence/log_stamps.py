"""Time stamps in the log of a partition: which head each of them is of, and since when that head was there. Pure.

A stamp is a whole reply of an authority (RFC 3161, DER) over the SHA-256 of a signed head: the note on the topic, all
of its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Protocol

from bridge.errors import VerificationFailed

STAMP: Final = b"timestamp"
"""The header `kind` of a stamp on the anchors topic."""
CONTENT_TYPE: Final = b"application/timestamp-reply"


class StampCheck(Protocol):
    """Checks replies with the certificates of authorities that are trusted. Both methods raise VerificationFailed."""

    def imprint(self, reply: bytes) -> bytes:
        """Return the SHA-256 that a reply says it has stamped; nothing is checked."""

    def __call__(self, reply: bytes, stamped: bytes) -> int:
        """Check that a reply proves that `stamped` was there; return since when, in us since 1970 UTC."""


@dataclass(slots=True, frozen=True)
class StampedHead:
    """A head, as the note on the topic, and the reply that proves since when it was there: us since 1970 UTC."""

    checkpoint: bytes
    reply: bytes
    at: int


class LogStamps:
    """The heads and the stamps of one partition. Without a check, stamps are counted only."""

    def __init__(self, check: StampCheck | None = None) -> None:
        """Begin with nothing read."""
        self.count = 0
        self.proved: dict[bytes, StampedHead] = {}
        """By checkpoint, once `problems` was called: its earliest stamp."""
        self._check = check
        self._heads: dict[bytes, bytes] = {}
        self._replies: list[tuple[int, bytes]] = []
        self._first: int | None = None

    def begin_at(self, offset: int) -> None:
        """Take the offset of a record of the anchors topic: from the first one on, nothing was deleted."""
        self._first = offset if self._first is None else self._first

    @property
    def whole(self) -> bool:
        """Whether no record before the first one was deleted."""
        return not self._first

    def feed_head(self, note: bytes) -> None:
        """Take a note with a head."""
        if self._check is not None:
            self._heads[sha256(note).digest()] = note

    def feed(self, reply: bytes, offset: int) -> None:
        """Take a stamp."""
        self.count += 1
        if self._check is not None:
            self._replies.append((offset, reply))

    def problems(self) -> list[str]:
        """Check all stamps; return what is wrong with them."""
        found = []
        for offset, reply in self._replies:
            try:
                self._prove(reply)
            except VerificationFailed as error:
                found.append(f"time stamp at offset {offset}: {error.message}")
        self._replies = []
        return found

    def _prove(self, reply: bytes) -> None:
        if self._check is None:
            return
        note = self._heads.get(self._check.imprint(reply))
        if note is None:
            if not self.whole:
                return  # retention has deleted what came before
            raise VerificationFailed("of a head that is not there: a head was stamped after it was committed")
        stamped = StampedHead(note, reply, self._check(reply, note))
        before = self.proved.setdefault(note, stamped)
        if stamped.at < before.at:
            self.proved[note] = stamped
