"""Deviations from the published types that are tolerated."""

from __future__ import annotations

import json

import msgspec
import pytest

from bridge.chatserver.decoded import Decoded
from bridge.chatserver.messages import (
    EventSessionInfo,
    Pong,
    RequestMessage,
    UnknownMessage,
)
from bridge.chatserver.psdk_json import (
    client_wire,
    decode_event,
    decode_request,
    encode,
)
from bridge.transcript.events import ChatTranscript, Item, MessageText, UserInfo
from tests.chatserver.psdk_lines import CHAT, SAID, SAID_EVENT, events_in, line, only_event


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
