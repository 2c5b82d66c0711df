"""Stored transcripts that are refused, and arbitrary event elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.archive.ucs_xml import MAX_ELEMENT_DEPTH, read, write
from bridge.errors import UnreadableTranscript
from tests.archive.stored_xml import refusal, stored
from tests.strategies import chat_transcripts

if TYPE_CHECKING:
    from bridge.transcript.events import ChatTranscript


@pytest.mark.parametrize(
    ("data", "line", "code", "reason"),
    [
        (b"", 1, "NOT_XML", "no element found"),
        (b"\n\nplain text", 3, "NOT_XML", "syntax error"),
        (b"<transcript/>", 1, "NOT_A_TRANSCRIPT", "the root is not chatTranscript"),
        (b"<chatTranscript/>", 1, "NOT_A_TRANSCRIPT", "no sessionId"),
        (b'<chatTranscript sessionId=" "/>', 1, "NOT_A_TRANSCRIPT", "no sessionId"),
        (stored("<message/>"), 2, "UNREADABLE_EVENT", "an event without a readable eventId"),
        (stored('<a eventId="1"/>', '<b eventId="-1"/>'), 3, "UNREADABLE_EVENT", "an event without a readable eventId"),
        (stored('<b eventId="9223372036854775808"/>'), 2, "UNREADABLE_EVENT", "an event without a readable eventId"),
        (stored('<a eventId="1">'), 3, "NOT_XML", "mismatched tag"),
        (stored('<a eventId="1">&nbsp;</a>'), 2, "NOT_XML", "undefined entity"),
        (stored("\x00"), 2, "NOT_XML", "not well-formed (invalid token)"),
        (stored()[:-5], 2, "NOT_XML", "unclosed token"),
        (b'<?xml version="1.0" encoding="no-such"?><chatTranscript/>', 1, "NOT_XML", "an encoding that cannot be read"),
        (b'<?xml version="1.0" encoding="utf-7"?><chatTranscript/>', 1, "NOT_XML", "an encoding that cannot be read"),
        (b"\n<!DOCTYPE chatTranscript><chatTranscript/>", 2, "NOT_A_TRANSCRIPT", "a document type is not allowed"),
        (stored("<a>" * MAX_ELEMENT_DEPTH), 2, "TOO_DEEP",
         f"elements nested more than {MAX_ELEMENT_DEPTH} levels deep"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_line_the_code_and_the_reason(data: bytes, line: int, code: str, reason: str) -> None:
    assert refusal(data) == (line, code, reason)


def test_entities_that_explode_are_refused_before_they_do() -> None:
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 30))
    data = f'<!DOCTYPE x [<!ENTITY e0 "boom">{bomb}]><chatTranscript sessionId="&e29;"/>'.encode()
    assert refusal(data) == (1, "NOT_A_TRANSCRIPT", "a document type is not allowed")


def test_the_size_limit_counts_bytes() -> None:
    data = stored()
    assert read(data, "s", max_bytes=len(data)).notes == []
    with pytest.raises(
        UnreadableTranscript, match=rf"^s:0: TOO_LONG: {len(data)} bytes; at most {len(data) - 1} are read$"
    ):
        read(data, "s", max_bytes=len(data) - 1)


def test_the_number_of_elements_is_limited() -> None:
    data = stored('<a eventId="1"/>', '<a eventId="2"/>')
    assert len(read(data, "s", max_elements=3).transcript.chat_event_list) == 2
    with pytest.raises(UnreadableTranscript, match=r"^s:3: TOO_LONG: more than 2 elements$"):
        read(data, "s", max_elements=2)


@given(chat_transcripts(), st.data())
def test_flipped_bytes_raise_nothing_but_unreadable_transcript(transcript: ChatTranscript, data: st.DataObject) -> None:
    raw = bytearray(write(transcript))
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        result = read(bytes(raw), "s")
    except UnreadableTranscript:
        return
    assert read(write(result.transcript), "s").transcript == result.transcript
