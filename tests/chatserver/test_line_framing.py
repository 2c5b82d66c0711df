from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.chatserver.line_framing import LineFramer, OversizedLine

STREAMS = st.lists(st.binary(max_size=12) | st.sampled_from([b"\n", b"\n\n", b"\r\n", b"0123456789"]), max_size=12)


def whole(limit: int, keep: int, stream: bytes) -> list[bytes | OversizedLine]:
    """What a stream says, by its definition."""
    *lines, rest = stream.split(b"\n")
    said: list[bytes | OversizedLine] = [
        line if len(line) <= limit else OversizedLine(line[:keep], len(line)) for line in lines if line
    ]
    return said + ([OversizedLine(rest[:keep], len(rest))] if len(rest) > limit else [])


@given(STREAMS, st.integers(1, 20), st.integers(0, 20))
def test_what_is_said_does_not_depend_on_how_the_stream_is_cut(pieces: list[bytes], limit: int, keep: int) -> None:
    framer = LineFramer(limit, keep)
    said = [line for piece in pieces for line in framer.feed(piece)]
    last = framer.close()
    said += [] if last is None else [last]
    assert said == whole(limit, min(keep, limit), b"".join(pieces))


@given(STREAMS, st.integers(1, 20), st.integers(0, 20))
def test_never_more_than_the_limit_is_held(pieces: list[bytes], limit: int, keep: int) -> None:
    framer = LineFramer(limit, keep)
    for piece in pieces:
        framer.feed(piece)
        assert framer.buffered <= limit


def test_a_line_of_exactly_the_limit_passes_and_one_byte_more_does_not() -> None:
    assert LineFramer(5).feed(b"12345\n123456\n") == [b"12345", OversizedLine(b"12345", 6)]


def test_a_line_of_exactly_the_limit_is_whole_even_where_less_of_a_longer_one_is_kept() -> None:
    framer = LineFramer(limit=4, keep=2)
    framer.feed(b"abcd")
    assert framer.feed(b"\n") == [b"abcd"]


def test_a_long_line_is_told_once_when_it_ends_and_the_next_one_is_whole() -> None:
    framer = LineFramer(limit=4, keep=2)
    assert framer.feed(b"abc") == []
    assert framer.feed(b"defgh") == []
    assert framer.buffered == 2
    assert framer.feed(b"ij\nnext\n") == [OversizedLine(b"ab", 10), b"next"]


def test_a_long_line_without_an_end_is_told_at_the_close() -> None:
    framer = LineFramer(limit=4, keep=2)
    framer.feed(b"abcdefgh")
    assert framer.close() == OversizedLine(b"ab", 8)
    assert framer.close() is None


def test_a_line_cut_off_by_the_end_was_never_said() -> None:
    framer = LineFramer(limit=100)
    framer.feed(b"whole\nha")
    assert framer.close() is None
    assert framer.buffered == 0


def test_a_carriage_return_is_content_and_ends_nothing() -> None:
    assert LineFramer(100).feed(b"a\rb\r\nc\n") == [b"a\rb\r", b"c"]


def test_an_empty_line_says_nothing() -> None:
    assert LineFramer(100).feed(b"\n\na\n\n") == [b"a"]


def test_a_line_that_arrives_byte_by_byte_is_whole() -> None:
    framer = LineFramer(limit=10**6)
    for _ in range(1000):
        assert framer.feed(b"x") == []
    assert framer.buffered == 1000
    assert framer.feed(b"\n") == [b"x" * 1000]
