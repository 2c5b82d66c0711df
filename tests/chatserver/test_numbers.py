"""Numbers beyond 64 bits are data: what holds one arrives, with the digits as text."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.archive import ucs_xml
from bridge.chatserver.messages import (
    EventError,
    EventRegistered,
    EventSessionInfo,
    Ping,
    RequestJoin,
    UnknownMessage,
)
from bridge.chatserver.psdk_json import decode_event, decode_request, encode
from bridge.chatserver.versions import HIGHEST
from bridge.errors import UnreadableMessage
from bridge.transcript.attributes import flatten, typed_value, unflatten
from bridge.transcript.bounds import INT64, outside
from bridge.transcript.events import ChatEvent, ChatTranscript, Item
from bridge.transcript.fingerprints import carried_groups, fingerprint

if TYPE_CHECKING:
    from bridge.transcript.updates import Damaged

BEYOND = (
    "9223372036854775808",
    "18446744073709551616",
    "-9223372036854775809",
    "1e999",
    "-1.5E+400",
    "7" * 4_300,
    "-" + "7" * 4_301,
    "7" * 30_000,
    "7" * 400 + ".5",
)
WITHIN = ("0", "-1", "9223372036854775807", "-9223372036854775808", "0.5", "-1e300")
NUMBERS = st.one_of(
    st.integers().map(str),
    st.integers(-(10**40), 10**40).map(str),
    st.builds("{}.{}e{}".format, st.integers(-999, 999), st.integers(0, 999), st.integers(-400, 999)),
)


def shortened(number: str) -> str:
    return number if len(number) < 40 else f"{number[:8]}... of {len(number)}"


def line(event: str, transcript: str = "", message: str = "") -> bytes:
    """An EventSessionInfo as text, because no JSON library writes each of these numbers."""
    listed = f'{{"sessionId":"x",{transcript}"chatEventList":[{event}]}}'
    return f'{{"messageName":"EventSessionInfo",{message}"chatTranscript":{listed}}}'.encode()


def event_of(attributes: str) -> ChatEvent:
    decoded = decode_event(line(f'{{"eventType":"message","eventId":2,{attributes}}}'))
    assert decoded.damaged == ()
    assert isinstance(decoded.message, EventSessionInfo)
    [event] = decoded.message.chat_transcript.chat_event_list
    return event


def damage(event: str) -> Damaged:
    [damaged] = decode_event(line(event)).damaged
    return damaged


def value_of(number: str) -> int | float | str:
    """What a number is, by Python's own reading of it."""
    if number.lstrip("-").isdigit():
        return int(number) if len(number) < 25 and int(number) in INT64 else number
    return float(number) if isfinite(float(number)) else number


@pytest.mark.parametrize("number", [*BEYOND, *WITHIN], ids=shortened)
@pytest.mark.parametrize("collection", ["userData", "eventAttributes"])
def test_a_number_of_an_item_is_that_number_or_its_digits(collection: str, number: str) -> None:
    inner = f'[{{"key":"inner","type":"float","value":{number}}}]'
    event = event_of(
        f'"{collection}":[{{"key":"order","type":"long","value":{number}}},{{"key":"n","type":"kvlist","value":{inner}}}]'
    )
    items = event.user_data or event.event_attributes
    value = value_of(number)
    assert items == [Item("order", "long", value), Item("n", "kvlist", [Item("inner", "float", value)])]
    assert flatten(items)[1] == {"order": "long", "n.inner": "float"}


@pytest.mark.parametrize("number", BEYOND, ids=shortened)
def test_a_number_of_an_unknown_attribute_is_kept_as_it_came(number: str) -> None:
    event = event_of(f'"mood":{number},"deep":{{"a":[{number}]}},"userInfo":{{"rank":{number}}}')
    assert event.unknown_attributes == {
        "mood": number,
        "deep": f'{{"a":[{number}]}}',
        "userInfo.rank": number,
    }


@pytest.mark.parametrize("number", BEYOND, ids=shortened)
def test_a_list_of_numbers_as_the_value_of_an_item_is_kept_as_it_came(number: str) -> None:
    assert event_of(f'"userData":[{{"key":"a","value":[{number},1]}}]').user_data == [Item("a", value=f"[{number},1]")]


@pytest.mark.parametrize("number", BEYOND, ids=shortened)
def test_attributes_of_the_message_and_the_transcript_without_a_published_type_keep_a_number_as_text(
    number: str,
) -> None:
    decoded = decode_event(
        line("", f'"idleTimeExpire":{number},"odd":{number},', f'"userStatus":{number},"odd":[{number}],')
    )
    assert isinstance(decoded.message, EventSessionInfo)
    assert decoded.message.chat_transcript.idle_time_expire == number
    assert decoded.message.user_status == number


@pytest.mark.parametrize("number", BEYOND, ids=shortened)
def test_a_number_of_the_message_itself_that_answers_nothing_costs_no_event(number: str) -> None:
    decoded = decode_event(line('{"eventType":"message","eventId":2}', message=f'"referenceId":{number},'))
    assert decoded == decode_event(
        line('{"eventType":"message","eventId":2}', message=" " * len(f'"referenceId":{number},'))
    )
    assert decode_event(f'{{"messageName":"Ping","referenceId":{number}}}'.encode()).message == Ping()
    refused = decode_event(f'{{"messageName":"EventError","errorId":{number},"referenceId":5}}'.encode()).message
    assert refused == EventError(reference_id=5)
    registered = decode_event(f'{{"messageName":"EventRegistered","clientVersion":{number}}}'.encode()).message
    assert registered == EventRegistered()


@pytest.mark.parametrize("number", [*BEYOND, *WITHIN], ids=shortened)
def test_a_start_that_is_a_number_costs_no_event(number: str) -> None:
    decoded = decode_event(line('{"eventType":"message","eventId":2}', f'"startAt":{number},'))
    assert isinstance(decoded.message, EventSessionInfo)
    assert float(decoded.message.chat_transcript.start_at) == float(number)
    assert decoded.message.chat_transcript.chat_event_list == [ChatEvent("message", 2)]


@pytest.mark.parametrize("number", BEYOND, ids=shortened)
def test_an_unknown_message_is_written_again_with_the_number_that_it_came_with(number: str) -> None:
    message = decode_event(f'{{"messageName":"EventNew","a":{number},"b":{{"c":[{number}]}}}}'.encode()).message
    assert isinstance(message, UnknownMessage)
    written = f'{{"name":"EventNew","fields":{{"a":{number},"b":{{"c":[{number}]}}}}}}'
    assert msgspec.json.encode(message) == written.encode()


@pytest.mark.parametrize("number", BEYOND, ids=shortened)
def test_a_client_that_sends_a_number_beyond_64_bits_is_understood(number: str) -> None:
    raw = f'{{"messageName":"RequestJoin","userData":[{{"key":"a","type":"long","value":{number}}}]}}'
    message = decode_request(raw.encode()).message
    assert isinstance(message, RequestJoin)
    assert message.user_data == [Item("a", "long", number)]


@pytest.mark.parametrize(
    ("event", "reason", "event_id"),
    [
        ('{"eventType":"x","eventId":9223372036854775808}', "eventId: integer value out of range", None),
        (f'{{"eventType":"x","eventId":{"9" * 5_000}}}', "eventId: integer value out of range", None),
        ('{"eventType":"x","eventId":1e999}', "eventId: expected int, got float", None),
        ('{"eventType":"x","eventId":4,"timeShift":1e999}', "timeShift: expected int, got float", 4),
        ('{"eventType":"x","eventId":4,"timeShift":9223372036854775808}', "timeShift: integer value out of range", 4),
        (f'{{"eventType":"x","eventId":4,"timeShift":-{"9" * 5_000}}}', "timeShift: integer value out of range", 4),
        (
            '{"eventType":"x","eventId":4,"userInfo":{"clientVersion":-1e999}}',
            "userInfo.clientVersion: expected int | null, got float",
            4,
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_number_that_must_have_its_range_damages_its_event_and_no_other(
    event: str, reason: str, event_id: int | None
) -> None:
    found = damage(event)
    assert (found.detail, found.event_id) == (f"chatTranscript.chatEventList[0].{reason}", event_id)
    both = decode_event(line(f'{event},{{"eventType":"message","eventId":5}}'))
    assert isinstance(both.message, EventSessionInfo)
    assert both.message.chat_transcript.chat_event_list == [ChatEvent("message", 5)]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("beside", ["1", "7" * 5_000], ids=shortened)
def test_what_is_no_json_number_is_no_number(word: str, beside: str) -> None:
    with pytest.raises(UnreadableMessage, match="JSON is malformed"):
        decode_event(line(f'{{"eventType":"x","eventId":4,"mood":[{beside},{word}]}}'))


@given(NUMBERS, NUMBERS, st.sampled_from(["long", "int", "float", "string", "of107"]))
def test_whatever_number_comes_it_is_folded_compared_and_written_back(number: str, other: str, word: str) -> None:
    attributes = '"userData":[{{"key":"a","type":"{}","value":{}}}],"mood":{}'
    event, changed = (event_of(attributes.format(word, each, each)) for each in (number, other))
    [item] = event.user_data
    assert isinstance(item.value, str) == isinstance(value_of(number), str)
    assert str(item.value) == str(value_of(number))
    assert outside(event) is None
    carried = carried_groups(HIGHEST)
    same = msgspec.json.encode(event) == msgspec.json.encode(changed)
    assert (fingerprint(event, carried) == fingerprint(changed, carried)) == same
    sent = EventSessionInfo(ChatTranscript("x", chat_event_list=[event]))
    assert decode_event(encode(sent)).message == sent


@given(NUMBERS, st.sampled_from(["long", "int", "float"]))
def test_the_stored_and_the_flat_form_give_a_number_back_as_it_came(number: str, word: str) -> None:
    items = [Item("a", word, typed_value(number, word))]
    assert unflatten(*flatten(items)) == items
    event = ChatEvent("message", 2, user_data=items, unknown_attributes={"mood": number})
    stored = ucs_xml.write(ChatTranscript("x", chat_event_list=[event]))
    [read] = ucs_xml.read(stored, "test").transcript.chat_event_list
    assert read == event
    assert str(read.user_data[0].value) == number


# --- the id of a damaged event ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "event_id"),
    [
        ({"userData": [{"key": "k", "value": [{"eventId": 7}]}], "eventId": 4, "timeShift": "x"}, 4),
        ({"userData": [{"key": "k", "eventId": 7}], "timeShift": "x"}, None),
        ({"eventId": "7", "userInfo": {"eventId": 8}}, None),
        ({"eventId": 7.0}, None),
        ({"eventId": -7}, None),
        ({"eventId": None, "reason": {"eventId": 8}}, None),
        ({"eventId": [7]}, None),
        ({"eventId": 10**19}, None),
        ({"eventId": 2**63 - 1}, 2**63 - 1),
        ({"messageText": {"text": '"eventId":7'}}, None),
        ([{"eventId": 7}], None),
    ],
)
def test_the_id_of_a_damaged_event_is_its_own_and_an_id(event: object, event_id: int | None) -> None:
    assert damage(json.dumps(event)).event_id == event_id


def test_if_the_id_of_a_damaged_event_occurs_twice_the_last_one_counts() -> None:
    assert damage('{"eventId":7,"timeShift":"x","eventId":8}').event_id == 8
