"""For any bytes: reading a stored transcript raises only UnreadableTranscript, quotes no text, stops at its limits.

The names of the root's unknown attributes are the only words of a file that a note repeats. Also: nothing is expanded
(a bomb is a document type, and refused as one); what was read can be written, and then reads as the same; the work
grows with the length and not faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from bridge.archive.ucs_xml import read, write
from bridge.errors import UnreadableTranscript
from bridge.transcript.input_codes import ARCHIVE_CODES
from tests.fuzz.engine import MARKER, Fuzzer, run_fixed, shape, work

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.archive.ucs_xml import StoredTranscript

SOURCE: Final = "chat.xml"
MOST_ELEMENTS: Final = 200
CALLS_PER_BYTE: Final = 25
_ROOT_NOTE: Final = ": unknown attributes of the root dropped ("

TOKENS: Final = (
    *(b"<chatTranscript ", b"</chatTranscript>", b"<message ", b"<newParty ", b"<userData>", b"</userData>"),
    *(b'<item key="a" type="kvlist">', b"</item>", b"<msgText>", b"</msgText>", b'eventId="', b'timeShift="'),
    *(b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?pi ", b"?>", b"&amp;", b"&#0;", b"&#x10FFFF;", b"&#xD800;", b"&a;"),
    *(b'<!DOCTYPE a [<!ENTITY a "aaaa">]>', b'<!DOCTYPE a SYSTEM "file:///nowhere">', b'encoding="utf-16"'),
    *(b'encoding="', b'standalone="yes"', b'xmlns:a="b"', b"a:b", b"<unknownAttributes>", b'eventType="x y"', b"/>"),
)


def _read(data: bytes) -> StoredTranscript:
    return read(data, SOURCE, max_elements=MOST_ELEMENTS)


def check(data: bytes) -> str:
    answer: list[Any] = []

    def act() -> None:
        try:
            answer.append(_read(data))
        except UnreadableTranscript as error:
            answer.append(error)

    assert work(act) <= 2_000 + CALLS_PER_BYTE * len(data)
    [outcome] = answer
    if isinstance(outcome, UnreadableTranscript):
        assert MARKER not in str(outcome)
        assert str(outcome) == f"{SOURCE}:{outcome.line}: {outcome.code}: {outcome.reason}"
        assert outcome.code in ARCHIVE_CODES
        return outcome.reason
    transcript = outcome.transcript
    assert len(transcript.chat_event_list) <= MOST_ELEMENTS
    for note in outcome.notes:
        assert MARKER not in note or _ROOT_NOTE in note
    assert read(write(transcript), SOURCE).transcript == transcript
    return shape(["read", *(note.partition(_ROOT_NOTE)[0] for note in outcome.notes)])


FUZZER: Final = Fuzzer("ucs_xml", check, TOKENS)


@pytest.mark.parametrize("file", FUZZER.files(), ids=lambda file: file.name)
def test_every_file_of_the_corpus_is_read_or_refused_as_its_name_says(file: Path) -> None:
    try:
        _read(file.read_bytes())
    except UnreadableTranscript:
        assert file.name.startswith("bad-")
    else:
        assert not file.name.startswith("bad-")


def test_the_reader_of_stored_transcripts_bears_any_bytes() -> None:
    tally = run_fixed(FUZZER, 500)
    assert len(tally) > 20
    assert any(label.startswith("read") for label in tally)
    assert "a document type is not allowed" in tally


def test_a_bomb_is_refused_before_anything_of_it_is_expanded() -> None:
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 30))
    bomb = f'<!DOCTYPE chatTranscript [<!ENTITY a0 "{"x" * 1_000}">{levels}]><chatTranscript sessionId="&a29;"/>'
    answers: list[str] = []
    assert work(lambda: answers.append(check(bomb.encode()))) < 500
    assert answers == ["a document type is not allowed"]


@pytest.mark.parametrize(
    ("open_tag", "close_tag", "reason"),
    [
        ("<message eventId='1'><userData>" + "<item key='a'>" * 5_000, "", "elements nested more than 67 levels deep"),
        ("<message eventId='1'>" + "<x/>" * 5_000, "</message>", "more than 200 elements"),
        ("<message eventId='1'/>" * 5_000, "", "more than 200 elements"),
    ],
    ids=["depth", "breadth", "events"],
)
def test_a_limit_ends_the_reading_where_it_is_passed(open_tag: str, close_tag: str, reason: str) -> None:
    data = f"<chatTranscript sessionId='A'>{open_tag}{close_tag}</chatTranscript>".encode()
    answers: list[str] = []
    assert work(lambda: answers.append(check(data))) < 20 * MOST_ELEMENTS
    assert answers == [reason]


def test_attributes_without_end_are_work_in_proportion() -> None:
    def of(number: int) -> bytes:
        attributes = " ".join(f'a{at}="v"' for at in range(number))
        return f"<chatTranscript sessionId='A'><message eventId='1' {attributes}/></chatTranscript>".encode()

    small, large = (work(lambda number=number: check(of(number))) for number in (200, 2_000))  # type: ignore[misc]
    assert large <= 12 * small
