"""Where the transcripts lie in a file or stream that holds several, one after the other.

A document goes from its XML declaration or its root to what stands before the next one: what follows a root's end, and
begins no other document, may be an event that an export has put there. Of an encoding that is not compatible with ASCII
nothing is recognised: such a file is one document.
"""

from __future__ import annotations

import re
from typing import Final

_MARKS: Final = re.compile(rb"(</chatTranscript\s{0,8}>)|<\?xml\s|<chatTranscript[\s/>]")
_LONGEST: Final = 32
"""Bytes of the longest mark: so much of what was fed is looked at again."""


class DocumentSplitter:
    """Is fed the bytes in pieces of any size; holds no more than a mark's length of them."""

    def __init__(self) -> None:
        """Nothing was fed yet."""
        self._tail = b""
        self._fed = 0
        self._begun = 0
        self._looked_at = 0
        self._is_after_end = False

    def feed(self, data: bytes) -> list[tuple[int, int]]:
        """Return (offset, length) of the documents that are known to be whole now."""
        window = self._tail + data
        offset = self._fed - len(self._tail)
        self._fed += len(data)
        found: list[tuple[int, int]] = []
        for mark in _MARKS.finditer(window):
            at = offset + mark.start()
            if at < self._looked_at:
                continue
            self._looked_at = offset + mark.end()
            if mark[1] is not None:
                self._is_after_end = True
            elif self._is_after_end:
                found.append((self._begun, at - self._begun))
                self._begun, self._is_after_end = at, False
        self._tail = window[-_LONGEST:]
        return found

    def end(self) -> list[tuple[int, int]]:
        """Return the last document, if there is one."""
        return [(self._begun, self._fed - self._begun)] if self._fed > self._begun else []
