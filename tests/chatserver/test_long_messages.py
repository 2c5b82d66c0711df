"""A message longer than a frame is read while it arrives: what comes of it is what comes of one that fits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.chatserver.decoded import Decoded, Unreadable
from bridge.chatserver.event_list_scanner import EventListScanner
from bridge.chatserver.long_message import LongMessage
from bridge.chatserver.messages import Event, EventSessionInfo, Ping
from bridge.chatserver.psdk_json import PsdkJsonWire, client_wire, decode_event
from bridge.transcript.input_codes import NOT_JSON, TOO_LONG
from tests.chatserver.psdk_lines import CHAT, SAID, events_in, line

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent
    from bridge.transcript.updates import WaitingEvents

TEXTS = st.sampled_from(
    ["", "hello", 'a "quoted" \\ text', "[{]},", "\\", "\ud800", "é😀", '"chatEventList":[', "x" * 90]
)
EVENTS: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {"eventType": st.sampled_from(["message", "later"]), "eventId": st.integers(0, 30)},
    optional={
        "messageText": st.builds(lambda text: {"text": text}, TEXTS),
        "userData": st.just([{"key": "k", "type": "kvlist", "value": [{"key": "a", "value": "[,]"}]}]),
        "unheardOf": st.dictionaries(TEXTS, st.none() | st.integers(), max_size=2),
        "timeShift": st.sampled_from([1, 2**40, "no number"]),
    },
) | st.sampled_from([None, 7, "text", [], [{}], {}])
LISTS = st.lists(EVENTS, max_size=12)
MORE = st.fixed_dictionaries(
    {},
    optional={
        "referenceId": st.sampled_from([3, None]),
        "sessionStatus": st.sampled_from(["Over", None]),
        "later": st.sampled_from([[SAID], {"chatEventList": [SAID]}]),
    },
)
TOKENS = [b'"', b"\\", b"{", b"[", b"]", b"}", b",", b"a", b'"chatTranscript":{', b'"chatEventList":[']


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def drained(waiting: WaitingEvents | None) -> list[ChatEvent]:
    found: list[ChatEvent] = []
    before = -1
    while waiting is not None and waiting.count:
        events, size = waiting.next()
        assert size
        assert before < min(event.event_id for event in events)
        found += sorted(events, key=lambda event: event.event_id)
        before = found[-1].event_id
    return found


@given(LISTS, MORE, st.integers(1, 200), st.integers(1, 120), st.tuples(st.booleans(), st.sampled_from([None, 1])))
def test_a_long_message_says_the_same_however_it_is_cut(
    events: list[Any], more: dict[str, Any], size: int, block: int, form: tuple[bool, int | None]
) -> None:
    transcript_first, indent = form
    transcript = {"sessionId": CHAT, "chatEventList": events, "startAt": "2031-03-04T10:00:00Z"}
    said = {"messageName": "EventSessionInfo", "chatTranscript": transcript}
    raw = json.dumps(said | more if transcript_first else more | said, indent=indent).replace("\n", " ").encode()
    long = LongMessage(limit=10**6, event_limit=10**5, block_bytes=block)
    for chunk in chunks(raw, size):
        long.feed(chunk)
    expected = decode_event(raw)
    waiting = long.waiting()
    assert waiting.count == len(events_in(expected))
    found = drained(waiting)
    assert found == sorted(events_in(expected), key=lambda event: event.event_id)
    assert tuple(long.damaged) == expected.damaged
    around = decode_event(long.around).message
    assert isinstance(around, EventSessionInfo)
    assert isinstance(expected.message, EventSessionInfo)
    assert around.reference_id == expected.message.reference_id
    assert around.session_status == expected.message.session_status
    assert around.chat_transcript.start_at == expected.message.chat_transcript.start_at
    assert waiting.size == 0


@given(st.binary(max_size=60) | st.lists(st.sampled_from(TOKENS)).map(b"".join), st.integers(1, 9))
def test_any_bytes_are_split_the_same_however_they_are_cut(raw: bytes, size: int) -> None:
    whole, cut = EventListScanner(), EventListScanner()
    texts: list[bytes] = []
    expected = whole.feed(raw)
    for chunk in chunks(raw, size):
        lists = cut.lists
        found = cut.feed(chunk)
        texts = found if cut.lists != lists else texts + found
    assert texts == expected
    assert cut.lists == whole.lists
    assert bytes(cut.around) == bytes(whole.around)


def fed(raw: bytes, *, inbound: int = 300, history: int = 5_000) -> list[Decoded[Event] | Unreadable]:
    wire = client_wire(inbound=inbound, history=history)
    return [one for chunk in chunks(raw, 64) for one in wire.feed(chunk)]


def numbered(count: int) -> list[dict[str, object]]:
    return [SAID | {"eventId": number} for number in range(1, count + 1)]


def test_a_history_longer_than_a_frame_is_read_and_the_next_line_as_well() -> None:
    raw = line(*numbered(20), referenceId=4)
    read, ping = fed(raw + b'\n{"messageName":"Ping"}\n')
    assert isinstance(read, Decoded)
    assert isinstance(read.message, EventSessionInfo)
    assert (read.message.reference_id, read.size, read.damaged) == (4, len(raw), ())
    assert [event.event_id for event in drained(read.waiting)] == list(range(1, 21))
    assert isinstance(ping, Decoded)
    assert ping.message == Ping()


def test_an_event_longer_than_a_frame_costs_only_itself() -> None:
    large = SAID | {"eventId": 2, "messageText": {"text": "x" * 400}}
    [read] = fed(line(SAID | {"eventId": 1}, large, SAID | {"eventId": 3}) + b"\n")
    assert isinstance(read, Decoded)
    assert [event.event_id for event in drained(read.waiting)] == [1, 3]
    [bad] = read.damaged
    assert (bad.event_id, bad.code, bad.length) == (2, TOO_LONG, len(json.dumps(large)))
    assert bad.detail == "chatTranscript.chatEventList[1]: longer than 300 bytes"


def test_a_history_beyond_the_set_size_is_told_with_its_size_when_it_ends() -> None:
    raw = line(*numbered(80))
    read, ping = fed(raw + b'\n{"messageName":"Ping"}\n')
    assert isinstance(read, Unreadable)
    assert (read.reason.code, read.reason.detail) == (TOO_LONG, "longer than 5000 bytes")
    assert (read.length, read.session_hint) == (len(raw), CHAT)
    assert isinstance(ping, Decoded)


def test_no_other_message_may_be_long() -> None:
    unknown = line(*numbered(20)).replace(b"EventSessionInfo", b"EventOfALaterTime")
    [read] = fed(unknown + b"\n")
    assert isinstance(read, Unreadable)
    assert (read.reason.code, read.reason.detail) == (TOO_LONG, "longer than 300 bytes")
    [around] = fed(line(SAID, later="x" * 400) + b"\n")
    assert isinstance(around, Unreadable)
    assert (around.reason.code, around.length) == (TOO_LONG, len(line(SAID, later="x" * 400)))


def test_a_long_line_that_is_no_json_is_unreadable_for_that_reason() -> None:
    [read] = fed(line(*numbered(20))[:-1] + b"\n")
    assert isinstance(read, Unreadable)
    assert read.reason.code == NOT_JSON


def test_a_history_cut_off_by_the_end_was_never_said() -> None:
    wire = client_wire(inbound=300, history=5_000)
    assert wire.feed(line(*numbered(20))) == []
    assert wire.long
    assert wire.close() == []


def test_what_is_held_of_a_long_message_is_little_more_than_its_bytes() -> None:
    raw = line(*numbered(4_000))
    wire = client_wire(inbound=300, history=10**6)
    for chunk in chunks(raw, 1_000):
        wire.feed(chunk)
        assert wire.buffered <= wire.arrived + 65_536


def test_events_that_wait_can_be_looked_at_without_taking_them() -> None:
    [read] = fed(line(*numbered(20)) + b"\n")
    assert isinstance(read, Decoded)
    assert read.waiting is not None
    assert [event.event_id for event in read.waiting.each()] == list(range(1, 21))
    assert read.waiting.count == 20


@given(st.lists(st.binary(max_size=40) | st.sampled_from([*TOKENS, b"\n", line(*numbered(9))]), max_size=8))
def test_any_bytes_are_read_or_refused_the_same_however_they_are_cut(pieces: list[bytes]) -> None:
    def said(wire: PsdkJsonWire[Event], given: list[bytes]) -> list[object]:
        found = [one for piece in given for one in wire.feed(piece)] + wire.close()
        return [(one.message, one.damaged, drained(one.waiting)) if isinstance(one, Decoded) else one for one in found]

    stream = b"".join(pieces)
    expected = said(client_wire(inbound=60, history=500), [stream])
    assert said(client_wire(inbound=60, history=500), pieces) == expected
    assert said(client_wire(inbound=60, history=500), chunks(stream, 7)) == expected


def test_the_last_of_several_lists_counts() -> None:
    first = json.dumps({"sessionId": CHAT, "chatEventList": numbered(9)})[:-1]
    raw = b'{"messageName":"EventSessionInfo","chatTranscript":%s,"chatEventList":[%s]}}' % (
        first.encode(),
        json.dumps(SAID).encode(),
    )
    [read] = fed(raw + b"\n")
    assert isinstance(read, Decoded)
    assert [event.event_id for event in drained(read.waiting)] == [3]
