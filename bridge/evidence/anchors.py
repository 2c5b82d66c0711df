"""Anchors: signed heads of the trees over certificates, and signed statements about what was committed up to them.

A head is a C2SP checkpoint (c2sp.org/tlog-checkpoint) without extension lines, in a signed note whose key has the name
of the origin. Chat heads and offsets are in notes of their own beside it, because extension lines are what monitors of
logs do not look at:

    <origin>/statement
    <size of the tree>
    <root, base64>
    at <us since 1970 UTC>
    part <number> <parts>
    committed <topic> <partition> <first offset> <next offset>
    chat <session id, percent-encoded> <epoch> <sequence> <output, percent-encoded> <head of the chain, base64>

`committed`: the log of a topic began and ended there when it was looked at last, at most half a minute before. `chat`:
an open chat of which something was committed since the statement before. Both lines may repeat.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

from bridge.errors import VerificationFailed
from bridge.evidence.merkle import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.evidence.merkle import TreeEdge

KIND: Final = "kind"
"""The header of an anchor that says whether it is a head, a statement or a list of keys."""
STATEMENT: Final = "/statement"
"""What the first line of a statement ends with, after the origin."""
_HEAD_LINES: Final = 3


def origin_of(name: str, tree: str) -> str:
    """Return the origin of a tree. `name` is that of the keys, `tree` that of the tree: its partition at least."""
    return f"{name}/{tree}"


@dataclass(slots=True, frozen=True)
class TreeHead:
    """A head: origin, size and root of a tree."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


def head_of(origin: str, edge: TreeEdge) -> TreeHead:
    """Return the head of a tree."""
    return TreeHead(origin, edge.size, edge.root())


def parsed_tree_head(text: str) -> TreeHead:
    """Return the head in the text of a note. Extension lines are ignored. Raises VerificationFailed."""
    lines = text.split("\n")
    try:
        origin, size, root = lines[:_HEAD_LINES]
        decoded = b64decode(root, validate=True)
    except (ValueError, binascii.Error) as error:
        raise VerificationFailed("a note that is no checkpoint of a log") from error
    extensions = lines[_HEAD_LINES:]
    if extensions[-1:] != [""] or "" in extensions[:-1] or not origin or not _is_number(size):
        raise VerificationFailed("a note that is no checkpoint of a log")
    if len(decoded) != HASH_BYTES:
        raise VerificationFailed(f"a checkpoint with a root of {len(decoded)} bytes")
    return TreeHead(origin, int(size), decoded)


@dataclass(slots=True, frozen=True)
class ChatHead:
    """The last committed record of an open chat in one output: epoch, sequence, hash."""

    session_id: str
    epoch: int
    sequence: int
    output: str
    head: bytes

    def line(self) -> str:
        """Return the line of a statement."""
        names = quote(self.session_id, safe=""), quote(self.output, safe="")
        return f"chat {names[0]} {self.epoch} {self.sequence} {names[1]} {b64encode(self.head).decode()}"


@dataclass(slots=True, frozen=True)
class CommittedOffsets:
    """What was committed on one partition: offsets of its first record, and after its last one."""

    topic: str
    partition: int
    first: int
    next: int

    def line(self) -> str:
        """Return the line of a statement."""
        return f"committed {self.topic} {self.partition} {self.first} {self.next}"


@dataclass(slots=True, frozen=True)
class Statement:
    """One part of what was committed up to a head; `at` in us since 1970 UTC, `part` from 1."""

    head: TreeHead
    at: int
    part: int = 1
    parts: int = 1
    committed: list[CommittedOffsets] = field(default_factory=list)
    chats: list[ChatHead] = field(default_factory=list)

    def text(self) -> str:
        """Return the text that is signed."""
        return _statement(self.head, self.at, self.part, self.parts, [one.line() for one in self._lines()])

    def _lines(self) -> Iterable[CommittedOffsets | ChatHead]:
        return (*self.committed, *self.chats)


def statement_texts(
    head: TreeHead, at: int, committed: Iterable[CommittedOffsets], chats: Iterable[ChatHead], *, room: int
) -> list[str]:
    """Return the texts of a statement, in as many parts as are necessary for none to exceed `room` bytes."""
    # The lines before have three numbers of up to 20 digits; the rest is known.
    least = len(head.text()) + len(STATEMENT) + 100
    parts: list[list[str]] = [[]]
    used = least
    for line in (*(one.line() for one in committed), *(one.line() for one in chats)):
        size = len(line.encode()) + 1
        if parts[-1] and used + size > room:
            parts.append([])
            used = least
        parts[-1].append(line)
        used += size
    return [_statement(head, at, number, len(parts), lines) for number, lines in enumerate(parts, 1)]


def _statement(head: TreeHead, at: int, part: int, parts: int, lines: Sequence[str]) -> str:
    origin, rest = head.text().split("\n", 1)
    return "".join(
        (f"{origin}{STATEMENT}\n{rest}at {at}\npart {part} {parts}\n", *(f"{line}\n" for line in lines)),
    )


def parsed_statement(text: str) -> Statement:
    """Return the statement in the text of a note. Raises VerificationFailed when it is none."""
    lines = text.removesuffix("\n").split("\n")
    if not lines[0].endswith(STATEMENT):
        raise VerificationFailed("a note that is no statement about a log")
    first = lines[0].removesuffix(STATEMENT)
    head = parsed_tree_head("\n".join((first, *lines[1:_HEAD_LINES], "")))
    try:
        words = [line.split(" ") for line in lines[_HEAD_LINES:]]
        (_, at), (_, part, parts) = words[:2]
        committed, chats = list[CommittedOffsets](), list[ChatHead]()
        for word, *rest in words[2:]:
            if word == "committed":
                topic, *numbers = rest
                committed.append(CommittedOffsets(topic, *map(int, numbers)))
            elif word == "chat":
                session, epoch, sequence, output, last = rest
                found = b64decode(last, validate=True)
                chats.append(ChatHead(unquote(session), int(epoch), int(sequence), unquote(output), found))
        return Statement(head, int(at), int(part), int(parts), committed, chats)
    except (ValueError, TypeError, binascii.Error) as error:
        raise VerificationFailed("a statement about a log with a line that cannot be read") from error


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and (text == "0" or text[0] != "0")
