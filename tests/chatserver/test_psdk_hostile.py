"""Hostile and damaged lines: what is read, what is named as damaged, and the reasons that are given."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.chatserver import psdk_json, psdk_tolerant
from bridge.chatserver.decoded import Decoded, Unreadable
from bridge.chatserver.messages import (
    Event,
    EventSessionInfo,
    EventStatus,
    FlexTranscript,
    UnknownMessage,
)
from bridge.chatserver.psdk_json import (
    client_wire,
    decode_event,
    decode_request,
    encode,
)
from bridge.errors import UnreadableMessage
from bridge.transcript.events import ChatEvent
from bridge.transcript.updates import Damaged
from tests.chatserver.psdk_lines import SAID, events_in, line, reason_for
from tests.strategies import events, requests

JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def paths(value: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner: list[tuple[Any, object]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [at, *(path for key, part in inner for path in paths(part, (*at, key)))]


@st.composite
def bent(draw: st.DrawFn, messages: st.SearchStrategy[Any]) -> bytes:
    """A message of which one value was replaced, or to which one was added, or where one is missing."""
    value = json.loads(encode(draw(messages)))
    *path, last = draw(st.sampled_from(paths(value)[1:]))
    place = value
    for key in path:
        place = place[key]
    change = draw(st.sampled_from(["replace", "add", "remove"]))
    if change == "replace":
        place[last] = draw(JSON_VALUES)
    elif change == "add" and isinstance(place, dict):
        place[draw(st.sampled_from(["new", "foo.bar", "eventId", "text", "messageName"]))] = draw(JSON_VALUES)
    else:
        del place[last]
    return json.dumps(value).encode()


@given(bent(events()))
def test_wherever_the_exact_types_fit_a_bent_line_the_tolerant_reading_agrees(raw: bytes) -> None:
    exact = psdk_json._exact_event(raw)
    if exact is not None:
        assert psdk_tolerant.read(raw, psdk_json._EVENT_KINDS) == (exact, ())


@given(bent(events()))
def test_every_event_of_a_bent_line_is_read_or_named_as_damaged_or_the_line_is_refused(raw: bytes) -> None:
    try:
        decoded = decode_event(raw)
    except UnreadableMessage:
        return
    transcript = json.loads(raw).get("chatTranscript") or {}
    if isinstance(decoded.message, EventSessionInfo):
        assert len(events_in(decoded)) + len(decoded.damaged) == len(transcript.get("chatEventList") or [])


@given(bent(events()) | bent(requests()) | st.binary(max_size=40))
def test_hostile_lines_raise_nothing_but_unreadable_message_and_what_is_read_can_be_sent(raw: bytes) -> None:
    for decode in (decode_event, decode_request):
        try:
            message = decode(raw).message
        except UnreadableMessage:
            continue
        if not isinstance(message, UnknownMessage):
            encode(message)


@given(events(), st.data())
def test_flipped_bytes_raise_nothing_but_unreadable_message(message: Event, data: st.DataObject) -> None:
    raw = bytearray(encode(message)[:-1])
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded = decode_event(bytes(raw))
    except UnreadableMessage:
        return
    assert decoded.size == len(raw)


@given(st.lists(st.binary(max_size=30) | bent(events()).map(lambda raw: raw + b"\n"), max_size=6))
def test_a_wire_never_raises_on_what_it_is_fed(pieces: list[bytes]) -> None:
    wire = client_wire(inbound=64)
    said = [one for piece in pieces for one in wire.feed(piece)] + wire.close()
    assert all(isinstance(one, Decoded | Unreadable) for one in said)


@pytest.mark.parametrize("opened", [b"[", b'{"a":', b'{"key":"a","value":['])
def test_a_line_nested_too_deeply_is_unreadable(opened: bytes) -> None:
    start = b'{"messageName":"EventSessionInfo","chatTranscript":{"sessionId":"x","chatEventList":[{"userData":['
    assert reason_for(start + opened * 50_000) == "nested too deeply"


# --- what is wrong, and where ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "input data was truncated"),
        (b"{}", "messageName: missing"),
        (b"[1]", "expected object, got array"),
        (b'{"messageName":7}', "messageName: expected str, got int"),
        (b'{"messageName":"Pong","referenceId":"7"}', "referenceId: expected int | null, got str"),
        (b'{"messageName":"EventError","description":"\xff"}', "description: not UTF-8: invalid start byte"),
        (b'{"messageName":"Pong"} {}', "JSON is malformed: trailing characters (byte 24)"),
        (line()[:-1], "input data was truncated"),
        (
            b'{"messageName":"EventSessionInfo","chatTranscript":{"chatEventList":[{"eventType":"abandon","eventId":1}]}}',
            "chatTranscript: object missing required field sessionId",
        ),
        (
            b'{"messageName":"EventSessionInfo","chatTranscript":{"sessionId":"x","chatEventList":{}}}',
            "chatTranscript.chatEventList: expected array | null, got object",
        ),
        (
            b'{"messageName":"EventStatus","flexTranscript":{"sessionId":1}}',
            "flexTranscript.sessionId: expected str, got int",
        ),
    ],
)
def test_a_reason_names_the_place_and_never_the_value(raw: bytes, reason: str) -> None:
    assert reason_for(raw) == reason


@pytest.mark.parametrize(
    ("broken", "reason", "event_id"),
    [
        ({"eventType": "message", "eventId": 4, "timeShift": "5"}, "timeShift: expected int, got str", 4),
        ({"eventType": "message", "eventId": 4, "timeShift": 2**31}, "timeShift: integer value out of range", 4),
        ({"eventType": "message", "eventId": -1}, "eventId: integer value out of range", None),
        ({"eventType": "message", "eventId": 2**63}, "eventId: integer value out of range", None),
        ({"eventType": "message", "eventId": 10**400}, "eventId: integer value out of range", None),
        ({"eventType": "message", "eventId": 4.0}, "eventId: expected int, got float", None),
        ({"eventType": "message"}, "object missing required field eventId", None),
        ({"eventId": 4}, "object missing required field eventType", 4),
        ({"eventType": "message", "eventId": 4, "userInfo": 1}, "userInfo: expected object | null, got int", 4),
        (
            {"eventType": "x", "eventId": 4, "userInfo": {"clientVersion": 2**31}},
            "userInfo.clientVersion: integer value out of range",
            4,
        ),
        (
            {"eventType": "x", "eventId": 4, "userInfo": {"timeZoneOffset": -(2**31) - 1}},
            "userInfo.timeZoneOffset: integer value out of range",
            4,
        ),
        ({"eventType": "x", "eventId": 4, "reason": {"code": 2**31}}, "reason.code: integer value out of range", 4),
        (
            {"eventType": "x", "eventId": 4, "userData": [{"value": "v"}]},
            "userData[0]: object missing required field key",
            4,
        ),
    ],
)
def test_one_unreadable_event_is_set_aside_and_the_others_arrive(
    broken: dict[str, object], reason: str, event_id: int | None
) -> None:
    raw = line(SAID, broken, SAID | {"eventId": 5})
    decoded = decode_event(raw)
    assert [event.event_id for event in events_in(decoded)] == [3, 5]
    where = "chatTranscript.chatEventList[1]"
    separator = ": " if reason.startswith("object") else "."
    assert decoded.damaged == (Damaged(json.dumps(broken).encode(), f"{where}{separator}{reason}", event_id),)
    assert decoded.size == len(raw)


def test_an_event_that_is_not_utf8_costs_that_event_only() -> None:
    broken = b'{"eventType":"message","eventId":9,"messageText":{"text":"\xff"}}'
    raw = line(SAID, 0, SAID | {"eventId": 10}).replace(b", 0,", b", " + broken + b",")
    decoded = decode_event(raw)
    assert [event.event_id for event in events_in(decoded)] == [3, 10]
    assert decoded.damaged == (Damaged(broken, "chatTranscript.chatEventList[1]: not UTF-8: invalid start byte", 9),)


def test_an_unreadable_flex_event_is_set_aside_too() -> None:
    raw = (
        b'{"messageName":"EventStatus","flexTranscript":{"sessionId":"x","events":[{},{"eventType":"n","eventId":1}]}}'
    )
    decoded = decode_event(raw)
    assert decoded.message == EventStatus(flex_transcript=FlexTranscript("x", events=[ChatEvent("n", 1)]))
    assert [bad.detail for bad in decoded.damaged] == [
        "flexTranscript.events[0]: object missing required field eventType"
    ]
