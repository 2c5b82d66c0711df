"""Archives to send and to compare: transcripts in files, whole and damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.commands.archived_files import ArchivedFiles
from tests.commands.convert_process import SAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bridge.commands.archived_chats import ArchivedChat, Refusal

BENT = """<chatTranscript startAt="2031-03-05T10:00:00Z" sessionId="0000BENT00000001">
<message userId="01" timeShift="1" visibility="ALL" eventId="1"><msgText>before</msgText></message>
<message userId="01" timeShift="2" visibility="ALL" eventId="2"><msgText>a{}z</msgText></message>
<message userId="01" timeShift="3" visibility="ALL" eventId="3"><msgText>after</msgText></message>
</chatTranscript>
"""
HEAD = '<?xml version="1.0" encoding="{}"?>\n'


def bent(middle: str, encoding: str = "UTF-8", as_what: str = "utf-8") -> bytes:
    return (HEAD.format(encoding) + BENT.format(middle)).encode(as_what)


DAMAGED = {
    "vertical tab": bent("\x0b"),
    "substitute": bent("\x1a"),
    "reference to a control character": bent("&#x1A;"),
    "no character": bent("\ufffe"),
    "HTML entity": bent("&nbsp;"),
    "one Latin-1 byte": bent("#").replace(b"#", b"\xe9"),
    "CESU-8": bent("#").replace(b"#", b"\xed\xa0\xbd\xed\xb8\x80"),
    "two surrogate references": bent("&#55357;&#56832;"),
    "says UTF-16, is UTF-8": bent("-", "UTF-16"),
    "line break before the XML line": b"\n" + bent("-"),
    "cut off": bent("-")[:-60],
}
"""Kinds of damage that exports and databases have done to stored transcripts."""


def read(paths: Iterable[Path], *, strict: bool = False) -> tuple[list[ArchivedChat], list[Refusal]]:
    """The chats of an archive, and what was refused."""
    refused: list[Refusal] = []
    with ArchivedFiles(refused.append, strict=strict) as files:
        files.look_through(paths)
        return list(files.each()), refused


def sample(number: int = 0) -> bytes:
    return SAMPLES[number].read_bytes()
