"""For any bytes: both ends of the wire read or refuse each line, raise nothing, quote none of it, hold a line at most.

Also: what is said does not depend on how the stream is cut; what was read can be written; the reasons are short and in
our own words; a conversation takes whatever was read; the work grows with the length and not faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest

from bridge.chatserver.connection_settings import ConnectionSettings
from bridge.chatserver.conversation import Conversation
from bridge.chatserver.decoded import Unreadable
from bridge.chatserver.messages import EventSessionInfo, UnknownMessage
from bridge.chatserver.psdk_json import client_wire, encode, server_wire
from bridge.errors import AttributesTooDeep, Problem
from bridge.transcript.attributes import flatten
from tests.fuzz.engine import MARKER, Fuzzer, run_fixed, shape, work

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.chatserver.decoded import Decoded
    from bridge.chatserver.psdk_json import PsdkJsonWire

LIMIT: Final = 4_096
LONGEST_REASON: Final = 160
CALLS_PER_BYTE: Final = 12

TOKENS: Final = (
    *(b'"messageName":"EventSessionInfo",', b'"messageName":"EventStatus",', b'"messageName":"RequestJoin",'),
    *(b'"chatTranscript":{', b'"chatEventList":[', b'"events":[', b'"sessionId":"', b'"eventId":', b'"timeShift":'),
    *(b'"userData":[{"key":"', b'"type":"kvlist","value":[', b'"unknownAttributes":{', b'"referenceId":', b'"reason":'),
    *(
        b'"messageText":{"text":"',
        b'"noticeText":null,',
        b'"userInfo":{},',
        b'"idleTimeExpire":',
        b"[" * 300,
        b"]" * 300,
    ),
)


def _said(wire: PsdkJsonWire[Any], data: bytes, size: int) -> list[Decoded[Any] | Unreadable]:
    said: list[Decoded[Any] | Unreadable] = []
    for at in range(0, len(data), size):
        said += wire.feed(data[at : at + size])
        assert wire.buffered <= LIMIT
    return [*said, *wire.close()]


def check(data: bytes) -> str:
    labels: list[str] = []
    for make in (client_wire, server_wire):
        labels += _check_end(make, data + b"\n")
    return shape(labels)


def _check_end(make: Callable[..., PsdkJsonWire[Any]], data: bytes) -> list[str]:
    said: list[Decoded[Any] | Unreadable] = []
    calls = work(lambda: said.extend(_said(make(inbound=LIMIT), data, len(data) or 1)))
    assert calls <= 2_000 + CALLS_PER_BYTE * len(data)
    assert _said(make(inbound=LIMIT), data, 1 + len(data) % 7) == said
    talk = Conversation(ConnectionSettings("bridge", "", "chat-1:4800"))
    talk.opened(0.0)
    labels = []
    for one in said:
        if isinstance(one, Unreadable):
            _check_words(one.reason)
            assert len(one.raw) <= LIMIT
            labels.append(str(one.reason))
            continue
        _check_message(one.message)
        for damaged in one.damaged:
            _check_words(damaged.reason)
            assert damaged.raw in data or rb"\ufffd" in damaged.raw  # half a character is read as U+FFFD
        labels += [type(one.message).__name__, *(str(damaged.reason) for damaged in one.damaged)]
        if make is client_wire:
            talk.receive(one.message, 0.0, damaged=one.damaged, size=one.size)
    for what in talk.events_received():
        labels.append(type(what).__name__)
    talk.requests()
    return labels


READING_CODES: Final = {"NOT_UTF8", "NOT_JSON", "TOO_DEEP", "TOO_LONG", "UNREADABLE_MESSAGE", "UNREADABLE_EVENT"}


def _check_words(reason: Problem) -> None:
    assert reason.code in READING_CODES
    assert MARKER not in reason.detail
    assert len(reason.detail) <= LONGEST_REASON
    assert reason.detail.isascii()
    assert reason.detail.isprintable()


def _check_message(message: Any) -> None:
    msgspec.json.encode(message)
    if isinstance(message, UnknownMessage):
        return
    encode(message)
    if isinstance(message, EventSessionInfo):
        for event in message.chat_transcript.chat_event_list:
            try:
                flatten(event.user_data)
                flatten(event.event_attributes)
            except AttributesTooDeep:
                continue


FUZZER: Final = Fuzzer("wire", check, TOKENS)


@pytest.mark.parametrize("file", FUZZER.files(), ids=lambda file: file.name)
def test_every_line_of_the_corpus_is_answered_as_its_name_says(file: Any) -> None:
    wires = (client_wire(inbound=LIMIT), server_wire(inbound=LIMIT))
    answers = [one for wire in wires for one in _said(wire, file.read_bytes() + b"\n", LIMIT)]
    read = any(not isinstance(one, Unreadable) and not isinstance(one.message, UnknownMessage) for one in answers)
    assert read is not file.name.startswith("bad-")


def test_the_wire_bears_any_bytes() -> None:
    tally = run_fixed(FUZZER, 400)
    assert len(tally) > 40
    assert any("EventSessionInfo" in label for label in tally)
    assert any("longer than" in label for label in tally)
