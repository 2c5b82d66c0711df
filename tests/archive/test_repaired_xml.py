"""Damaged stored transcripts: each kind of damage alone, and any cut or byte anywhere in a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.archive.repair_codes import REPAIR_CODES
from bridge.archive.repaired_xml import read_repaired
from bridge.archive.repairs import MOST_PLACES
from bridge.archive.ucs_xml import read
from bridge.errors import UnreadableTranscript
from tests.archive.stored_xml import SAMPLES

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.archive.stored_documents import ReadDocuments, StoredDocument
    from bridge.transcript.events import ChatEvent

HEAD = '<?xml version="1.0" encoding="{}"?>\n'
CHAT = """<chatTranscript startAt="2031-03-05T10:00:00Z" sessionId="0000BENT00000001">
<message userId="01" timeShift="1" visibility="ALL" eventId="1"><msgText>before</msgText></message>
<message userId="01" timeShift="2" visibility="ALL" eventId="2"><msgText>a{}z</msgText></message>
<message userId="01" timeShift="3" visibility="ALL" eventId="3"><msgText>after</msgText></message>
</chatTranscript>
"""


def chat(middle: str, declared: str = "UTF-8", encoding: str = "utf-8") -> bytes:
    return (HEAD.format(declared) + CHAT.format(middle)).encode(encoding)


SOUND = chat("-")


def changed(old: bytes, new: bytes) -> bytes:
    """A sound transcript with one change."""
    assert SOUND.count(old) == 1
    return SOUND.replace(old, new)


def texts(document: StoredDocument) -> list[str]:
    return [event.message_text.text for event in document.transcript.chat_event_list if event.message_text]


def losses(document: StoredDocument) -> list[tuple[int | None, int | None]]:
    return [(gap.from_event_id, gap.to_event_id) for gap in document.losses]


def noted(result: ReadDocuments) -> list[tuple[str, int, int | None, int]]:
    return [(repair.code, repair.line, repair.event_id, repair.count) for repair in result.repairs]


@pytest.mark.parametrize(
    ("content", "middle", "repairs"),
    [
        (chat("&#55357;&#56832;"), "\U0001f600", [("SURROGATE_REFERENCES", 4, 2, 1)]),
        (chat("&#xD83D;&#xDE00;"), "\U0001f600", [("SURROGATE_REFERENCES", 4, 2, 1)]),
        (chat("&#65;&#xD83D;&#xDE00;&#66;"), "A\U0001f600B", [("SURROGATE_REFERENCES", 4, 2, 1)]),
        (chat("&#xD83D;"), "\ufffd", [("BAD_REFERENCE", 4, 2, 1)]),
        (chat("&#xD83D;&#xD83D;&#xDE00;"), "\ufffd\U0001f600",
         [("BAD_REFERENCE", 4, 2, 1), ("SURROGATE_REFERENCES", 4, 2, 1)]),
        (chat("&#x1A;&#1114112;"), "\ufffd\ufffd", [("BAD_REFERENCE", 4, 2, 2)]),
        (chat("\x0b"), "\ufffd", [("CONTROL_CHARACTER", 4, 2, 1)]),
        (chat("\0\x1a"), "\ufffd\ufffd", [("CONTROL_CHARACTER", 4, 2, 2)]),
        (chat("\ufffe"), "\ufffd", [("CONTROL_CHARACTER", 4, 2, 1)]),
        (chat("&nbsp;&LT;"), "\xa0<", [("HTML_ENTITY", 4, 2, 2)]),
        (chat("&site;"), "&site;", [("UNKNOWN_ENTITY", 4, 2, 1)]),
        (chat("R & D &#; &x"), "R & D &#; &x", [("BARE_AMPERSAND", 4, 2, 3)]),
        (chat("1 < 2 <3"), "1 < 2 <3", [("BARE_MARKUP", 4, 2, 2)]),
        (chat("one <br> two"), "one <br> two", [("MISMATCHED_TAG", 4, 2, 1)]),
        (chat("<![CDATA[&nbsp;<]]>&"), "&nbsp;<&", [("BARE_AMPERSAND", 4, 2, 1)]),
        (chat("]]>"), "]]>", [("NOT_WELL_FORMED", 4, None, 1)]),
        (chat("<!-- a -- b -->"), "", [("NOT_WELL_FORMED", 4, None, 1)]),
        (chat("<!--"), "<!--", [("BARE_MARKUP", 4, 2, 1)]),
        (chat("#").replace(b"#", b"\xe9"), "\ufffd", [("INVALID_BYTES", 4, 2, 1)]),
        (chat("#").replace(b"#", b"\xed\xa0\xbd\xed\xb8\x80"), "\U0001f600", [("CESU_8", 4, 2, 1)]),
        (chat("#").replace(b"#", b"\xed\xa0\xbd"), "\ufffd", [("INVALID_BYTES", 4, 2, 1)]),
        (chat("-", "UTF-16"), "-", [("WRONG_ENCODING", 1, None, 1)]),
        (chat("-", "no-such"), "-", [("WRONG_ENCODING", 1, None, 1)]),
        (chat("\u043a\u043e\u0434", "ISO-8859-1"), "\u043a\u043e\u0434", [("WRONG_ENCODING", 1, None, 1)]),
        (chat("\u4f60\u597d\u4e16\u754c", "GB2312"), "\u4f60\u597d\u4e16\u754c", [("WRONG_ENCODING", 1, None, 1)]),
        (chat("\u4f60", "GB2312", "gb2312"), "\u4f60", []),
        (chat("\u3042", "Shift_JIS", "shift_jis"), "\u3042", []),
        (chat("\u20ac", "UTF-16", "utf-16-le"), "\u20ac", []),
        (b"\xff\xfe" + SOUND, "-", [("WRONG_BOM", 1, None, 1)]),
        (b"\xef\xbb\xbf" * 2 + SOUND, "-", [("WRONG_BOM", 1, None, 1)]),
        (b"\n" + SOUND, "-", [("BEFORE_THE_START", 1, None, 1)]),
        (b"STRUCTUREDTEXT: " + SOUND, "-", [("BEFORE_THE_START", 1, None, 1)]),
        (SOUND + b"\0\0\x1a", "-", [("CONTROL_CHARACTER", 7, 3, 3)]),
        (SOUND.replace(b"<", b"&lt;").replace(b">", b"&gt;"), "-", [("ESCAPED_DOCUMENT", 1, None, 1)]),
        (changed(b'"01" timeShift="2"', b'"01 timeShift="2"'), "-", [("BAD_ATTRIBUTE", 4, 2, 1)]),
        (changed(b'timeShift="2"', b"timeShift=2"), "-", [("BAD_ATTRIBUTE", 4, 2, 1)]),
        (changed(b'timeShift="2"', b'timeShift="2" timeShift="9"'), "-", [("BAD_ATTRIBUTE", 4, 2, 1)]),
        (changed(b'timeShift="2" ', b'timeShift="2"'), "-", [("BAD_ATTRIBUTE", 4, 2, 1)]),
        (changed(b'eventId="2">', b'eventId="2>'), "-", [("BAD_ATTRIBUTE", 4, 1, 1)]),
        (changed(b'eventId="2">', b'eventId="2" '), "-", [("TAG_NOT_CLOSED", 4, 2, 1)]),
        (changed(b"a-z</msgText>", b"a-z"), "-", [("MISMATCHED_TAG", 4, 2, 1)]),
        (changed(b"a-z</msgText>", b"a-z</msgText></msgText>"), "-", [("STRAY_END_TAG", 4, 2, 1)]),
        (changed(b"</chatTranscript>\n", b"</chatTran"), "-", [("NOT_WELL_FORMED", 6, None, 1)]),
        (b"<export>" + SOUND.partition(b"\n")[2] + b"</export>", "-",
         [("OUTSIDE_THE_ROOT", 1, None, 1), ("STRAY_END_TAG", 6, 3, 1)]),
        (changed(b'<message userId="01" timeShift="3"', b'</chatTranscript><message userId="01" timeShift="3"'),
         "-", [("AFTER_THE_END", 5, 3, 1), ("STRAY_END_TAG", 6, 3, 1)]),
    ],
)  # fmt: skip
def test_a_fault_is_repaired_and_noted_with_its_place(
    content: bytes, middle: str, repairs: list[tuple[str, int, int | None, int]]
) -> None:
    result = read_repaired(content, "s")
    [document] = result.documents
    assert texts(document) == ["before", f"a{middle}z", "after"]
    assert [(event.event_id, event.time_shift) for event in document.transcript.chat_event_list] == [
        (1, 1),
        (2, 2),
        (3, 3),
    ]
    assert losses(document) == []
    assert noted(result) == repairs
    assert {repair.code for repair in result.repairs} <= REPAIR_CODES.keys()


@pytest.mark.parametrize(
    ("content", "kept", "lost"),
    [
        (SOUND[: SOUND.index(b"after")], ["before", "a-z"], [(3, None)]),
        (SOUND[: SOUND.index(b"</chatTranscript")], ["before", "a-z", "after"], [(4, None)]),
        (SOUND[: SOUND.index(b"<message")], [], [(None, None)]),
        (changed(b"a-z</msgText></message>", b"a"), ["before", "after"], [(2, 2)]),
        (changed(b'eventId="2"', b'eventId="x"'), ["before", "after"], [(2, 2)]),
        (changed(b'eventId="1"', b""), ["a-z", "after"], [(1, 1)]),
        (changed(b'eventId="3"', b""), ["before", "a-z"], [(3, None)]),
        (changed(b"after</msgText></message>", b"after"), ["before", "a-z"], [(3, 3)]),
    ],
)
def test_what_is_gone_is_a_loss(content: bytes, kept: list[str], lost: list[tuple[int | None, int | None]]) -> None:
    [document] = read_repaired(content, "s").documents
    assert texts(document) == kept
    assert losses(document) == lost


def test_several_transcripts_in_a_document_are_read_each() -> None:
    other = SOUND.replace(b"BENT", b"OTHR")
    for content in (SOUND + other, b"<all>" + SOUND.partition(b"\n")[2] + other.partition(b"\n")[2] + b"</all>"):
        documents = read_repaired(content, "s").documents
        assert [document.session_id for document in documents] == ["0000BENT00000001", "0000OTHR00000001"]
        assert [texts(document) for document in documents] == [["before", "a-z", "after"]] * 2
        assert [losses(document) for document in documents] == [[], []]


def test_a_chat_without_a_beginning_is_read_if_its_id_is_known() -> None:
    content = SOUND[SOUND.index(b'timeShift="2"') :]
    [document] = read_repaired(content, "s", session_id="0000BENT00000001").documents
    assert (document.session_id, texts(document), losses(document)) == ("0000BENT00000001", ["after"], [(1, 2)])
    with pytest.raises(UnreadableTranscript, match=r"^s:1: NOT_XML: "):
        read_repaired(content, "s")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no element found"),
        (b"\x89PNG\r\n\x1a\n", "not well-formed"),
        (b"<html><body>error &nbsp;</body></html>", "the root is not chatTranscript"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + SOUND + b"<", "a document type is not allowed"),
        (SOUND.replace(b"sessionId", b"session") + b"<", "no sessionId"),
    ],
)
def test_what_is_no_transcript_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableTranscript, match=reason):
        read_repaired(content, "s")


def test_limits_hold_for_damaged_documents() -> None:
    many = SOUND.replace(b"-", b"<x/>" * 50) + b"<"
    with pytest.raises(UnreadableTranscript, match="TOO_LONG: more than 20 elements"):
        read_repaired(many, "s", max_elements=20)
    deep = SOUND.replace(b"-", b"<x>" * 5_000)
    with pytest.raises(UnreadableTranscript, match="TOO_DEEP"):
        read_repaired(deep, "s")
    with pytest.raises(UnreadableTranscript, match="TOO_LONG"):
        read_repaired(SOUND + b"<", "s", max_bytes=100)


def test_events_without_any_end_are_losses_however_many_they_are() -> None:
    begun = [b'<message eventId="%d"><msgText>' % at for at in range(1, 201)]
    [document] = read_repaired(SOUND.partition(b"<message")[0] + b"".join(begun), "s").documents
    assert losses(document) == [*((at, at) for at in range(1, 200)), (200, None)]


def test_the_copies_in_a_document_are_limited() -> None:
    with pytest.raises(UnreadableTranscript, match="TOO_LONG: the transcript more than 1000 times"):
        read_repaired(SOUND * 1_003, "s")


def test_the_places_that_are_kept_are_limited() -> None:
    result = read_repaired(chat("\x01\n" * (MOST_PLACES + 5)), "s")
    assert len(result.repairs) == MOST_PLACES + 1
    assert (result.repairs[-1].line, result.repairs[-1].count) == (0, 5)
    assert str(result.repairs[-1]) == "further places: CONTROL_CHARACTER (5 times)"


# --- any damage ------------------------------------------------------------------------------------------------------

_FAULTS = (b"\x00", b"\x0b", b"\xe9", b"\xff\xfe", b"<", b">", b"&", b'"', b"&#xD83D;", b"&nbsp;", b"<br>", b"</x>")


def events_of(data: bytes) -> list[ChatEvent]:
    return read(data, "s").transcript.chat_event_list


def read_any(data: bytes) -> list[StoredDocument]:
    """What is read of a damaged sample whose beginning may be gone."""
    try:
        return read_repaired(data, "s").documents
    except UnreadableTranscript:
        return []


def whole_before(data: bytes, position: int) -> list[ChatEvent]:
    """The events of a sound transcript that end before a position."""
    before = data[:position]
    ends = sum(before.count(b"</%s>" % name) for name in (b"newParty", b"message", b"notice", b"partyLeft"))
    return events_of(data)[:ends]


@given(st.sampled_from(SAMPLES), st.floats(0, 1, exclude_max=True))
@example(SAMPLES[0], 0.9946290728436079)
def test_a_sample_that_is_cut_anywhere_gives_exactly_what_is_whole_and_one_loss(sample: Path, share: float) -> None:
    data = sample.read_bytes()
    at = int(share * len(data))
    documents = read_any(data[:at])
    if b"<chatTranscript" not in data[:at] or b">" not in data[data.index(b"<chatTranscript") : at]:
        return
    [document] = documents
    assert document.transcript.chat_event_list == whole_before(data, at)
    is_closed = at >= data.index(b"</chatTranscript") + 2  # there, `</` can begin nothing else
    assert len(document.losses) == (0 if is_closed else 1)


@given(st.sampled_from(SAMPLES), st.floats(0, 1, exclude_max=True), st.sampled_from(_FAULTS), st.integers(0, 1))
@example(SAMPLES[0], 0.5, b'"', 0)
def test_a_fault_anywhere_costs_no_event_before_it_and_invents_none(
    sample: Path, share: float, fault: bytes, replaced: int
) -> None:
    data = sample.read_bytes()
    at = int(share * len(data))
    if data[at : at + 1].isdigit() or data[at - 1 : at].isdigit():
        return  # what is left of an id is another id
    damaged = data[:at] + fault + data[at + replaced :]
    begins = data.index(b">", data.index(b"<chatTranscript"))
    documents = read_any(damaged)
    found = [event for document in documents for event in document.transcript.chat_event_list]
    known = {event.event_id for event in events_of(data)}
    assert {event.event_id for event in found} <= known
    if at > begins:
        before = whole_before(data, at)
        assert found[: len(before)] == before
        lost = known - {event.event_id for event in found}
        assert not lost or any(document.losses for document in documents)


@given(st.binary(max_size=400))
def test_bytes_of_any_kind_raise_nothing_but_unreadable_transcript(data: bytes) -> None:
    for content in (data, SOUND[:120] + data + SOUND[120:], SOUND + data):
        read_any(content)
