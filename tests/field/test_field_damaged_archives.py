"""Stored transcripts with small damage: repaired and noted, never refused whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.field.field_environment import command

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

pytestmark = pytest.mark.field

REPLACED = "\ufffd"
HEAD = '<?xml version="1.0" encoding="{}"?>\n'
CHAT = """<chatTranscript startAt="2031-03-05T10:00:00Z" sessionId="0000BENT00000001">
<message userId="01" timeShift="1" visibility="ALL" eventId="1"><msgText>before</msgText></message>
<message userId="01" timeShift="2" visibility="ALL" eventId="2"><msgText>a{}z</msgText></message>
<message userId="01" timeShift="3" visibility="ALL" eventId="3"><msgText>after</msgText></message>
</chatTranscript>
"""


def chat(middle: str, declared: str = "UTF-8", encoding: str = "utf-8") -> bytes:
    return (HEAD.format(declared) + CHAT.format(middle)).encode(encoding)


def converted(folder: Path, content: bytes) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
    """Convert a file; return how that ended, and the records."""
    file = folder / "chat.xml"
    file.write_bytes(content)
    done = command("convert", "--notes", str(file))
    return done, [json.loads(line) for line in done.stdout.splitlines()]


def texts(records: list[dict[str, Any]]) -> list[str]:
    return [record["message"]["text"] for record in records if record["message"]]


def test_a_sound_transcript_is_converted(tmp_path: Path) -> None:
    done, records = converted(tmp_path, chat("-"))
    assert done.returncode == 0
    assert texts(records) == ["before", "a-z", "after"]


@pytest.mark.parametrize(
    ("content", "read"),
    [
        pytest.param(chat("&#55357;&#56832;"), {"\U0001f600"}, id="decimal surrogate references"),
        pytest.param(chat("&#xD83D;&#xDE00;"), {"\U0001f600"}, id="hexadecimal surrogate references"),
        pytest.param(chat("&#xD83D;"), {REPLACED}, id="a lone surrogate reference"),
        pytest.param(chat("\x0b"), {REPLACED}, id="vertical tab"),
        pytest.param(chat("\x1a"), {REPLACED}, id="substitute"),
        pytest.param(chat("&#x1A;"), {REPLACED}, id="reference to a control character"),
        pytest.param(chat("\ufffe"), {REPLACED}, id="U+FFFE"),
        pytest.param(chat("&nbsp;"), {"\u00a0"}, id="HTML entity"),
        pytest.param(chat("#").replace(b"#", b"\xe9"), {"\u00e9", REPLACED}, id="one Latin-1 byte"),
        pytest.param(chat("#").replace(b"#", b"\xed\xa0\xbd\xed\xb8\x80"), {"\U0001f600"}, id="CESU-8"),
        pytest.param(chat("-", "UTF-16"), {"-"}, id="UTF-8 that says UTF-16"),
        pytest.param(b"\n" + chat("-"), {"-"}, id="line break before the XML declaration"),
    ],
)
def test_a_fault_is_repaired_and_noted(tmp_path: Path, content: bytes, read: set[str]) -> None:
    done, records = converted(tmp_path, content)
    assert done.returncode == 0, done.stderr
    [before, middle, after] = texts(records)
    assert (before, after) == ("before", "after")
    assert middle in {f"a{one}z" for one in read}
    assert "chat.xml" in done.stderr


@pytest.mark.parametrize(
    ("encoding", "character"), [("GB2312", "\u4f60"), ("Shift_JIS", "\u3042")], ids=["GB2312", "Shift_JIS"]
)
def test_an_old_encoding_is_read(tmp_path: Path, encoding: str, character: str) -> None:
    done, records = converted(tmp_path, chat(character, encoding, encoding))
    assert done.returncode == 0, done.stderr
    assert texts(records) == ["before", f"a{character}z", "after"]


def test_a_transcript_that_is_cut_off_gives_what_is_whole_and_a_gap(tmp_path: Path) -> None:
    done, records = converted(tmp_path, chat("-")[:-60])
    assert texts(records)[:2] == ["before", "a-z"], done.stderr
    assert [record["kind"] for record in records].count("GAP") == 1
