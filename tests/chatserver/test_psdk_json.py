"""Encoding, decoding and framing of the JSON line wire."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from bridge.chatserver import psdk_json, psdk_tolerant
from bridge.chatserver.decoded import Decoded, Unreadable
from bridge.chatserver.messages import (
    Event,
    EventError,
    Ping,
    Pong,
    Request,
    RequestMessage,
)
from bridge.chatserver.psdk_json import (
    OUTBOUND_LIMIT,
    client_wire,
    encode,
    server_wire,
    session_hint,
)
from bridge.errors import FrameTooLong, Problem
from bridge.transcript.bounds import xml_characters
from bridge.transcript.events import MessageText
from bridge.transcript.input_codes import NOT_JSON, TOO_LONG
from tests.chatserver.psdk_lines import CHAT, SAID, line
from tests.strategies import any_texts, events, requests


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


def test_a_bad_line_between_good_ones_is_told_in_its_place() -> None:
    said = client_wire().feed(b'{"messageName":"Ping"}\n!\n{"messageName":"Pong"}\n')
    assert said == [
        Decoded(Ping(), (), 22),
        Unreadable(b"!", Problem(NOT_JSON, "JSON is malformed: invalid character (byte 0)"), 1),
        Decoded(Pong(), (), 22),
    ]


def test_a_line_beyond_the_limit_is_unreadable_and_names_its_chat() -> None:
    raw = line(SAID)
    wire = client_wire(inbound=100)
    assert wire.feed(raw) == []
    assert wire.buffered == 100
    [unreadable] = wire.feed(b"\n")
    assert unreadable == Unreadable(raw[:100], Problem(TOO_LONG, "longer than 100 bytes"), len(raw), CHAT)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.session_hint == CHAT


def test_a_line_that_became_too_long_and_never_ended_is_told_at_the_close() -> None:
    wire = client_wire(inbound=10)
    wire.feed(b"x" * 30)
    assert wire.close() == [Unreadable(b"x" * 10, Problem(TOO_LONG, "longer than 10 bytes"), 30)]
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
