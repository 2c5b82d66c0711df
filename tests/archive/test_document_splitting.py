"""Documents one after the other are told apart, however the bytes arrive."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.archive.document_splitting import DocumentSplitter

HEAD = b'<?xml version="1.0"?>\n'
PIECES = [
    HEAD,
    b"<chatTranscript sessionId='A'>",
    b"<message/>",
    b"</chatTranscript>",
    b"</chatTranscript \n>",
    b"\n",
    b"text </chatTran",
    b"\xff\xfe",
]


def split(data: bytes, sizes: list[int]) -> list[bytes]:
    splitter = DocumentSplitter()
    found: list[tuple[int, int]] = []
    at = 0
    for size in sizes:
        found += splitter.feed(data[at : at + size])
        at += size
    found += splitter.feed(data[at:])
    found += splitter.end()
    return [data[offset : offset + length] for offset, length in found]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join), st.lists(st.integers(0, 40), max_size=30))
def test_the_sizes_of_the_pieces_do_not_matter_and_no_byte_is_lost(data: bytes, sizes: list[int]) -> None:
    assert split(data, sizes) == split(data, [])
    assert b"".join(split(data, sizes)) == data


def test_each_document_has_its_declaration_and_what_follows_its_end() -> None:
    one = HEAD + b"<chatTranscript sessionId='A'></chatTranscript>\n<message/>"
    two = b"<chatTranscript sessionId='B'></chatTranscript>\n"
    three = HEAD + b"<chatTranscript sessionId='C'>"
    assert split(one + two + three, []) == [one, two, three]


def test_a_cut_document_before_another_is_not_told_apart() -> None:
    cut = b"<chatTranscript sessionId='A'><message/>"
    whole = b"<chatTranscript sessionId='B'></chatTranscript>"
    assert split(cut + whole, []) == [cut + whole]
