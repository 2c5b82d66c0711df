"""What a backfill has confirmed, in a file, so that the same command goes on after an interruption.

The first line says for which topic; each further line is a digest of a chat's id and text that Kafka has acknowledged.
A line that was cut off, or damaged, says nothing: its text is sent again, which is harmless.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import IO, TYPE_CHECKING, Final, Self

from bridge.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FORMAT: Final = 1
_DIGEST_BYTES: Final = 16
_DIGEST: Final = re.compile(rb"[0-9a-f]{%d}\n" % (2 * _DIGEST_BYTES))


def digest_of(session_id: str, text: bytes) -> bytes:
    """Return what stands for a text of a chat."""
    return sha256(session_id.encode() + b"\0" + text).digest()[:_DIGEST_BYTES]


class BackfillState:
    """Used as a context manager. Without a file it remembers nothing."""

    def __init__(self, path: Path | None, topic: str, servers: str) -> None:
        """Read the file, if there is one. Raises UsageError for one of another topic or form, OSError."""
        self.path = path
        self._head = {"chatbridgeBackfill": _FORMAT, "topic": topic, "bootstrapServers": servers}
        self._known: set[bytes] = set()
        self._file: IO[bytes] | None = None
        if path is None:
            return
        if path.exists() and path.stat().st_size:
            self._known = self._read(path)

    def _read(self, path: Path) -> set[bytes]:
        with path.open("rb") as lines:
            try:
                head = json.loads(lines.readline())
            except ValueError:
                head = None
            if not isinstance(head, dict) or head.get("chatbridgeBackfill") != _FORMAT:
                raise UsageError(f"--state {path}: this is not the state of a backfill")
            if head != self._head:
                raise UsageError(
                    f"--state {path}: it is of topic {head.get('topic')} at {head.get('bootstrapServers')}",
                    next_step="name another file for this topic",
                )
            return {bytes.fromhex(line.decode()) for line in lines if _DIGEST.fullmatch(line)}

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def __contains__(self, digest: bytes) -> bool:
        """Tell whether this text was confirmed before."""
        return digest in self._known

    def confirm(self, digests: Iterable[bytes]) -> None:
        """Note that Kafka has acknowledged these texts."""
        if self.path is None:
            return
        if self._file is None:
            self._file = self.path.open("ab")
            # The line break ends a line that was cut off.
            self._file.write(b"\n" if self._file.tell() else json.dumps(self._head).encode() + b"\n")
        for digest in digests:
            self._file.write(b"%s\n" % digest.hex().encode())
        self._file.flush()
