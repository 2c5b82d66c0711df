"""Records are decoded in parts as they would be in one go, whatever their bytes are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import VerificationFailed
from bridge.records import event_decoding
from bridge.records.avro import TRANSCRIPT_EVENT
from bridge.records.event_decoding import EventDecoding
from bridge.transcript.events import ChatEvent
from tests.support.core_forms import replaces_a_part
from tests.tampering.topic_copies import EVENTS, SCHEMAS, TopicCopies, WrittenChat
from tests.transcript.summary_chats import amended, chats

if TYPE_CHECKING:
    import pytest


def payloads(*talks: list[ChatEvent]) -> list[bytes]:
    """The records of some chats, which take turns."""
    copies = TopicCopies()
    for number, events in enumerate(talks):
        chat = WrittenChat(copies, f"0000TEST{number:08}", partition=0)
        chat.hears(*events[:2], snapshot=True)
        for event in (*events[2:], *map(amended, events)):
            chat.hears(event)
        chat.hears(*events, snapshot=True)
    return [record.payload for record in copies.log(EVENTS, 0)]


def outcome(decoding: EventDecoding | None, payload: bytes) -> object:
    """The record, in its order of fields, or what is said of it."""
    try:
        found = SCHEMAS.decode(TRANSCRIPT_EVENT, payload) if decoding is None else decoding.decode(payload)
    except VerificationFailed as error:
        return error.message
    return [*found.items()]


@settings(max_examples=30)
@given(chats(), chats())
def test_what_repeats_is_as_it_would_be_decoded(one: list[ChatEvent], two: list[ChatEvent]) -> None:
    decoding = EventDecoding(SCHEMAS)
    for payload in (each for pair in zip(payloads(one), payloads(one, two), strict=False) for each in pair):
        assert outcome(decoding, payload) == outcome(None, payload)


@settings(max_examples=60)
@given(chats(), st.data())
def test_damage_is_told_as_the_decoder_of_whole_records_tells_it(events: list[ChatEvent], data: st.DataObject) -> None:
    decoding, sound = EventDecoding(SCHEMAS), payloads(events)
    for payload in sound:
        decoding.decode(payload)
    damaged = bytearray(data.draw(st.sampled_from(sound)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        match data.draw(st.sampled_from(("change", "cut", "insert"))):
            case "change":
                damaged[at] = data.draw(st.integers(0, 255))
            case "insert":
                damaged[at:at] = data.draw(st.binary(min_size=1, max_size=3))
            case _:
                del damaged[at : at + data.draw(st.integers(1, 3))]
    assert outcome(decoding, bytes(damaged)) == outcome(None, bytes(damaged))


@replaces_a_part
def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_decoding, "_KNOWN", 3)
    talk = [ChatEvent("message", number, "A") for number in range(1, 4)]
    decoding = EventDecoding(SCHEMAS)
    for payload in payloads(*[talk] * 10):
        assert outcome(decoding, payload) == outcome(None, payload)
        assert max(len(decoding._authors), len(decoding._ends)) <= 3
