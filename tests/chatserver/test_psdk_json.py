from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.chatserver import psdk_json, psdk_tolerant
from bridge.chatserver.decoded import Decoded, Unreadable
from bridge.chatserver.messages import (
    Event,
    EventError,
    EventSessionInfo,
    EventStatus,
    FlexTranscript,
    Ping,
    Pong,
    Request,
    RequestMessage,
    UnknownMessage,
)
from bridge.chatserver.psdk_json import (
    OUTBOUND_LIMIT,
    client_wire,
    decode_event,
    decode_request,
    encode,
    server_wire,
    session_hint,
)
from bridge.errors import FrameTooLong, UnreadableMessage
from bridge.transcript.bounds import xml_characters
from bridge.transcript.events import ChatEvent, ChatTranscript, Item, MessageText, UserInfo
from bridge.transcript.updates import Damaged
from tests.strategies import any_texts, events, requests

CHAT = "0000SIMA00000001"
SAID = {"eventType": "message", "eventId": 3, "userId": "00A1", "messageText": {"text": "hello"}}
SAID_EVENT = ChatEvent("message", 3, "00A1", message_text=MessageText("hello"))


def line(*chat_events: object, **more: object) -> bytes:
    """An EventSessionInfo with these events, as any JSON library would write it."""
    transcript = {"sessionId": CHAT, "chatEventList": list(chat_events)}
    return json.dumps({"messageName": "EventSessionInfo", "chatTranscript": transcript, **more}).encode()


def events_in(decoded: Decoded[Event]) -> list[ChatEvent]:
    """The events of an EventSessionInfo."""
    assert isinstance(decoded.message, EventSessionInfo)
    return decoded.message.chat_transcript.chat_event_list


def only_event(*fields: tuple[str, object]) -> ChatEvent:
    """What comes of SAID with these attributes set."""
    decoded = decode_event(line(SAID | dict(fields)))
    assert decoded.damaged == ()
    [event] = events_in(decoded)
    return event


def reason_for(raw: bytes) -> str:
    """Why a line is no event."""
    with pytest.raises(UnreadableMessage) as caught:
        decode_event(raw)
    return caught.value.message


# --- round trips -----------------------------------------------------------------------------------------------------


@given(events())
def test_what_a_server_says_is_what_its_client_hears(message: Event) -> None:
    sent = encode(message)
    assert sent.count(b"\n") == 1
    assert client_wire().feed(sent) == [Decoded(message, (), len(sent) - 1)]


@given(requests())
def test_what_a_client_says_is_what_its_server_hears(message: Request) -> None:
    sent = encode(message)
    assert server_wire().feed(sent) == [Decoded(message, (), len(sent) - 1)]


@given(events())
def test_the_tolerant_reading_of_a_known_event_is_the_exact_one(message: Event) -> None:
    assert psdk_tolerant.read(encode(message), psdk_json._EVENT_KINDS) == (message, ())


@given(requests())
def test_the_tolerant_reading_of_a_known_request_is_the_exact_one(message: Request) -> None:
    assert psdk_tolerant.read(encode(message), psdk_json._REQUEST_KINDS) == (message, ())


@given(events(any_texts()) | requests(any_texts()))
def test_only_characters_of_xml_are_sent(message: Event | Request) -> None:
    def sent_texts(value: object) -> list[str]:
        if isinstance(value, dict):
            return [text for pair in value.items() for part in pair for text in sent_texts(part)]
        if isinstance(value, list):
            return [text for part in value for text in sent_texts(part)]
        return [value] if isinstance(value, str) else []

    assert all(text == xml_characters(text) for text in sent_texts(json.loads(encode(message))))


def test_what_xml_cannot_carry_is_sent_as_the_replacement_character() -> None:
    sent = encode(EventError(description="a\x00b\x0bc\ud800d\uffffe\tf\\u0001"))
    assert json.loads(sent)["description"] == "a\ufffdb\ufffdc\ufffdd\ufffde\tf\\u0001"


def test_a_line_beyond_the_limit_is_not_sent() -> None:
    message = RequestMessage(CHAT, MessageText("x" * OUTBOUND_LIMIT))
    with pytest.raises(FrameTooLong, match=r"RequestMessage takes \d+ bytes; at most 32768 are sent"):
        client_wire().encode(message)
    length = len(encode(message)) - 1
    assert encode(message, length) == encode(message)
    with pytest.raises(FrameTooLong):
        encode(message, length - 1)


# --- hostile input ---------------------------------------------------------------------------------------------------

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
        (b'{"messageName":"Pong","referenceId":9223372036854775808}', "referenceId: integer value out of range"),
        (b'{"messageName":"EventSessionInfo"}', "object missing required field chatTranscript"),
        (b'{"messageName":"EventError","description":"\xff"}', "description: not UTF-8: invalid start byte"),
        (b'{"messageName":"Pong"} {}', "JSON is malformed: trailing characters (byte 24)"),
        (line()[:-1], "input data was truncated"),
        (
            b'{"messageName":"EventSessionInfo","chatTranscript":{}}',
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
    assert [bad.reason for bad in decoded.damaged] == [
        "flexTranscript.events[0]: object missing required field eventType"
    ]


# --- what is tolerated -----------------------------------------------------------------------------------------------


def test_a_message_of_an_unknown_name_is_data() -> None:
    decoded = decode_event(b'{"a":1,"messageName":"EventNew","b":{"c":[2]}}')
    assert decoded.message == UnknownMessage("EventNew", {"a": 1, "b": {"c": [2]}})


def test_what_only_the_other_side_says_is_unknown_here() -> None:
    message = RequestMessage(CHAT, MessageText("hello"))
    heard = decode_event(encode(message)).message
    assert isinstance(heard, UnknownMessage)
    assert heard.name == "RequestMessage"
    assert decode_request(encode(message)).message == message


@pytest.mark.parametrize(
    ("attribute", "value", "kept"),
    [
        ("mood", "fine", {"mood": "fine"}),
        ("mood", 5, {"mood": "5"}),
        ("mood", None, {"mood": "null"}),
        ("mood", {"a": [1, "x"]}, {"mood": '{"a":[1,"x"]}'}),
        ("userInfo", {"mood": "fine"}, {"userInfo.mood": "fine"}),
        ("messageText", {"mood": 5}, {"messageText.mood": "5"}),
        ("noticeText", {"mood": [1]}, {"noticeText.mood": "[1]"}),
        ("reason", {"mood": True}, {"reason.mood": "true"}),
        ("unknownAttributes", {"mood": "fine"}, {"mood": "fine"}),
    ],
)
def test_what_is_not_known_of_an_event_is_kept(attribute: str, value: object, kept: dict[str, str]) -> None:
    assert only_event((attribute, value)).unknown_attributes == kept


def test_unknown_attributes_that_came_as_such_are_kept_beside_the_others() -> None:
    event = only_event(("unknownAttributes", {"a": "1"}), ("b", "2"))
    assert event.unknown_attributes == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    "attribute",
    [
        "receiverId",
        "userInfo",
        "noticeText",
        "reason",
        "askerId",
        "userData",
        "eventAttributes",
        "timeShift",
        "visibility",
    ],
)
def test_a_null_counts_as_absent(attribute: str) -> None:
    assert only_event((attribute, None)) == SAID_EVENT


def test_a_null_within_a_part_counts_as_absent() -> None:
    assert only_event(("userInfo", {"userNickname": None, "userType": "AGENT"})).user_info == UserInfo(
        user_type="AGENT"
    )


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (None, ""),
        (True, "true"),
        ({"a": 1}, '{"a":1}'),
        ([1, "x"], '[1,"x"]'),
        ([{"value": "no key"}], '[{"value":"no key"}]'),
        ([{"key": "b", "value": False, "extra": 1}], [Item("b", "string", "false")]),
        ([], []),
        (1.5, 1.5),
    ],
)
def test_other_shapes_of_an_item_become_text(value: object, kept: object) -> None:
    [item] = only_event(("new", 1), ("userData", [{"key": "a", "type": "odd", "value": value}])).user_data
    assert (item.type, item.value) == ("odd", kept)


@pytest.mark.parametrize(
    ("attribute", "value", "kept"),
    [("idleTimeExpire", 1.5, "1.5"), ("idleTimeExpire", 60, 60), ("monitored", 1, "1"), ("monitored", False, False)],
)
def test_attributes_of_unpublished_type_cost_no_event(attribute: str, value: object, kept: object) -> None:
    raw = json.loads(line(SAID))
    raw["chatTranscript"][attribute] = value
    decoded = decode_event(json.dumps(raw).encode())
    assert events_in(decoded) == [SAID_EVENT]
    assert msgspec.to_builtins(decoded.message)["chatTranscript"][attribute] == kept


def test_unknown_attributes_of_a_message_and_its_transcript_are_dropped() -> None:
    raw = json.loads(line(SAID, mood="fine"))
    raw["chatTranscript"]["mood"] = "fine"
    expected = EventSessionInfo(ChatTranscript(CHAT, chat_event_list=[SAID_EVENT]))
    assert decode_event(json.dumps(raw).encode()).message == expected


def test_half_a_character_is_read_as_the_replacement_character_and_costs_nothing_else() -> None:
    raw = line(SAID).replace(b"hello", rb"\ud83d\ude00 \\ud800 \ud83d! \udc00")
    [event] = events_in(decode_event(raw))
    assert event.message_text == MessageText("😀 \\ud800 \ufffd! \ufffd")


def test_a_nul_is_data() -> None:
    [event] = events_in(decode_event(line(SAID).replace(b"hello", rb"a\u0000b")))
    assert event.message_text == MessageText("a\x00b")


def test_of_attributes_that_come_twice_the_last_one_counts() -> None:
    raw = line(SAID).replace(b'"eventId": 3', b'"eventId": 8, "eventId": "x", "eventId": 3')
    assert events_in(decode_event(raw)) == [SAID_EVENT]


def test_a_carriage_return_before_the_line_feed_is_blank_to_json() -> None:
    assert client_wire().feed(b'{"messageName":"Pong"}\r\n') == [Decoded(Pong(), (), 23)]


# --- one connection --------------------------------------------------------------------------------------------------


def test_a_bad_line_between_good_ones_is_told_in_its_place() -> None:
    said = client_wire().feed(b'{"messageName":"Ping"}\n!\n{"messageName":"Pong"}\n')
    assert said == [
        Decoded(Ping(), (), 22),
        Unreadable(b"!", "JSON is malformed: invalid character (byte 0)", 1),
        Decoded(Pong(), (), 22),
    ]


def test_a_line_beyond_the_limit_is_unreadable_and_names_its_chat() -> None:
    raw = line(SAID)
    wire = client_wire(inbound=100)
    assert wire.feed(raw) == []
    assert wire.buffered == 100
    [unreadable] = wire.feed(b"\n")
    assert unreadable == Unreadable(raw[:100], "longer than 100 bytes", len(raw), CHAT)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.session_hint == CHAT


def test_a_line_that_became_too_long_and_never_ended_is_told_at_the_close() -> None:
    wire = client_wire(inbound=10)
    wire.feed(b"x" * 30)
    assert wire.close() == [Unreadable(b"x" * 10, "longer than 10 bytes", 30)]
    assert wire.close() == []


@pytest.mark.parametrize(
    ("raw", "hint"),
    [
        (b'{"chatTranscript":{"sessionId":"0000SIM1","x', "0000SIM1"),
        (b'"sessionId" : "a-b" ... "sessionId":"c"', "a-b"),
        (b'{"text":"he wrote \\"sessionId\\":\\"x\\""}', None),
        (b'{"sessionId":7}', None),
        (b'{"sessionId":"\xff"}', None),
        (b'{"sessionId":"' + b"x" * 200 + b'"}', None),
        (b"", None),
    ],
)
def test_a_session_hint_is_taken_from_an_attribute_and_from_nowhere_else(raw: bytes, hint: str | None) -> None:
    assert session_hint(raw) == hint
