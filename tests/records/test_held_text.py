"""Which records count as still holding text in clear."""

from __future__ import annotations

from typing import Any

from bridge.records.held_text import InputsInClear, event_in_clear

NOTHING: dict[str, Any] = {
    "message": None,
    "notice": None,
    "party": None,
    "file": None,
    "userData": {},
    "eventAttributes": {},
    "unknownAttributes": {},
}


def test_each_place_of_a_text_counts_unless_it_is_sealed_or_empty() -> None:
    places = (("message", "text"), ("notice", "text"), ("party", "nickname"), ("file", "name"))
    begin_like_one = [("sealed:1: typed by a person", True), ("sealed:1:", True), ("sealed:1:hello", True)]
    for text, clear in (("hello", True), *begin_like_one, ("sealed:1:" + "A" * 38, False), ("", False), (None, False)):
        for part, field in places:
            assert event_in_clear({**NOTHING, part: {field: text}}) is clear
        for name in ("userData", "eventAttributes", "unknownAttributes"):
            assert event_in_clear({**NOTHING, name: {"path": text}}) is clear
    assert not event_in_clear(NOTHING)


def test_quarantined_bytes_count_unless_they_are_sealed() -> None:
    for data, clear in ((b"<x>", True), (b"sealed:1:AAAA", False), (b"", False)):
        assert InputsInClear()({"sessionId": "a", "part": 1, "bytes": data}) is clear


def test_the_first_part_of_an_input_tells_of_all_whether_they_are_sealed() -> None:
    in_clear = InputsInClear()
    parts = [("a", 1, b"sealed:1:AAAA"), ("b", 1, b"<x"), ("a", 2, b"BBBB"), ("b", 2, b">"), ("a", 1, b"<y>")]
    told = [in_clear({"sessionId": chat, "part": part, "bytes": data}) for chat, part, data in parts]
    assert told == [False, True, False, True, True]
    assert InputsInClear()({"sessionId": "a", "part": 2, "bytes": b"BBBB"})  # the first one is gone
