"""Which records count as still holding text in clear."""

from __future__ import annotations

from typing import Any

from bridge.records.held_text import event_in_clear, quarantined_in_clear

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
    for text, clear in (("hello", True), ("sealed:1:AAAA", False), ("", False), (None, False)):
        for part, field in places:
            assert event_in_clear({**NOTHING, part: {field: text}}) is clear
        for name in ("userData", "eventAttributes", "unknownAttributes"):
            assert event_in_clear({**NOTHING, name: {"path": text}}) is clear
    assert not event_in_clear(NOTHING)


def test_quarantined_bytes_count_unless_they_are_sealed() -> None:
    assert quarantined_in_clear({"bytes": b"<x>"})
    assert not quarantined_in_clear({"bytes": b"sealed:1:AAAA"})
    assert not quarantined_in_clear({"bytes": b""})
