"""What people wrote is sealed in every field of a record, and opens to what another output has in clear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import BridgeError, Problem, VerificationFailed
from bridge.records.avro import QUARANTINED_INPUT, TRANSCRIPT_EVENT, Schemas, schema_folder
from bridge.records.normalise import ChatRecorder, Recording
from bridge.records.redacted_input import redacted_input
from bridge.records.redactor import Redactor
from bridge.records.rules import Rule
from bridge.records.session_records import quarantine_records
from bridge.sealing.chat_seal import is_sealed
from bridge.sealing.opened_records import is_sealed_event, opened_event, opened_input
from bridge.transcript import entries as kinds
from bridge.transcript.entries import Entry, Party, SessionFacts
from bridge.transcript.events import ChatEvent, Item, MessageText, NoticeText, Reason
from tests.records.record_strategies import SESSION, entries, facts
from tests.records.text_in_every_field import REACHED
from tests.sealing.known_keys import KnownDataKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMAS = Schemas(schema_folder())
FACTS = SessionFacts(SESSION, 1_930_000_000_000, "North", None, None, "chat-1:4800", 106)
PLANTED = "Marguerite-Duplessis-44"
PARTY = Party("00A1000000000001", PLANTED, PLANTED, PLANTED, PLANTED, 60, 106)
DATA = [
    Item("file-id", "string", PLANTED),
    Item("file-name", "string", PLANTED),
    Item("file-source", "string", PLANTED),
    Item("file-document-id", "string", PLANTED),
    Item("customer", PLANTED, PLANTED),
]
FULL = ChatEvent(
    PLANTED,
    5,
    PARTY.user_id,
    visibility=PLANTED,
    message_text=MessageText(PLANTED, PLANTED, PLANTED),
    notice_text=NoticeText("SYS_COMMAND", PLANTED),
    user_data=DATA,
    event_attributes=[Item("reason", PLANTED, PLANTED)],
    reason=Reason(text=PLANTED),
    unknown_attributes={"later": PLANTED},
)
KEYS_OF_MAPS = " (key)"


def recorders(*rules: Rule) -> tuple[ChatRecorder, ChatRecorder, KnownDataKeys]:
    """Return a recorder that is not sealed, one that is, and the keys of that."""
    keys, redactor = KnownDataKeys(), Redactor(rules)
    clear, sealed = Recording(SCHEMAS, redactor), Recording(SCHEMAS, redactor, keys=keys)
    return ChatRecorder(SESSION, clear), ChatRecorder(SESSION, sealed), keys


def decoded(payload: bytes) -> dict[str, Any]:
    return SCHEMAS.decode(TRANSCRIPT_EVENT, payload)


def without_chain(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "integrity": None}


@settings(max_examples=40)
@given(st.lists(st.tuples(entries, facts), min_size=1, max_size=3))
def test_a_sealed_record_opens_to_the_one_in_clear(chat: list[tuple[Entry, SessionFacts]]) -> None:
    clear, sealed, keys = recorders()
    for one, about in [*chat, *chat]:  # the second round comes from the caches
        shown = decoded(clear.event_record(one, about))
        hidden = decoded(sealed.event_record(one, about))
        assert sealed.redacted == clear.redacted
        assert is_sealed_event(hidden) == (hidden != {**shown, "integrity": hidden["integrity"]})
        assert not is_sealed_event(shown)
        assert without_chain(opened_event(hidden, keys.seal_of(SESSION))) == without_chain(shown)


def test_nothing_that_people_wrote_is_left_in_any_field() -> None:
    clear, sealed, keys = recorders()
    found: set[str] = set()
    for event, kind in ((FULL, kinds.UNKNOWN), (_with_notice_type(PLANTED), kinds.NOTICE)):
        one = Entry(kind, 7, kinds.LIVE, 1_930_000_100_123_456, event, PARTY)
        shown, payload = decoded(clear.event_record(one, FACTS)), sealed.event_record(one, FACTS)
        assert PLANTED.encode() not in payload
        hidden = decoded(payload)
        found |= {name for name, value in _texts(SCHEMAS.whole(TRANSCRIPT_EVENT), hidden) if is_sealed(value)}
        assert opened_event(hidden, keys.seal_of(SESSION)) == {**shown, "integrity": hidden["integrity"]}
    assert found == {name for name in REACHED if not name.endswith(KEYS_OF_MAPS)}


def test_what_is_derived_from_an_attribute_before_it_is_sealed_is_as_it_was() -> None:
    event = ChatEvent(
        "partyLeft", 5, event_attributes=[Item("GCTI_SYSTEM", "kvlist", [Item("quit-reason-code", "int", 4)])]
    )
    one = Entry(kinds.PARTY_LEFT, 7, kinds.LIVE, 1, event, PARTY)
    hidden = decoded(recorders()[1].event_record(one, FACTS))
    assert hidden["departure"]["quitReasonCode"] == 4
    assert is_sealed(hidden["eventAttributes"]["GCTI_SYSTEM.quit-reason-code"])


def test_what_completes_a_number_is_masked_before_it_is_sealed() -> None:
    _, sealed, keys = recorders(Rule("card", detector="payment_card"))
    said = []
    for at, text in enumerate(("it is 4111 1111", "1111 1111"), 1):
        event = ChatEvent("message", at, PARTY.user_id, message_text=MessageText(text))
        hidden = decoded(sealed.event_record(Entry(kinds.MESSAGE, at, kinds.LIVE, 1, event, PARTY), FACTS))
        assert is_sealed(hidden["message"]["text"])
        said.append(opened_event(hidden, keys.seal_of(SESSION)))
    assert [one["message"]["text"] for one in said] == ["it is 4111 1111", "*********"]
    assert said[1]["redactions"][0]["earlier"] == [f"{SESSION}:1"]


def test_rules_come_first() -> None:
    _, sealed, keys = recorders(Rule("card", detector="payment_card"))
    event = ChatEvent("message", 5, message_text=MessageText("my card is 4111 1111 1111 1111"))
    hidden = decoded(sealed.event_record(Entry(kinds.MESSAGE, 7, kinds.LIVE, 1, event, PARTY), FACTS))
    assert opened_event(hidden, keys.seal_of(SESSION))["message"]["text"] == "my card is *******************"
    assert [one["field"] for one in hidden["redactions"]] == ["message.text"]


@pytest.mark.parametrize("typed", ["sealed:1: hello", "sealed:1:", "sealed:1:AAAA"])
def test_a_text_that_only_begins_like_a_sealed_one_is_left_as_it_is(typed: str) -> None:
    clear, sealed, keys = recorders()
    event = ChatEvent("message", 5, message_text=MessageText(typed))
    one = Entry(kinds.MESSAGE, 7, kinds.LIVE, 1, event, None)
    shown = decoded(clear.event_record(one, FACTS))
    assert not is_sealed_event(shown)
    assert opened_event(shown, keys.seal_of(SESSION)) == shown
    hidden = decoded(sealed.event_record(one, FACTS))
    assert opened_event(hidden, keys.seal_of(SESSION))["message"]["text"] == typed


def test_a_nickname_is_sealed_for_its_party_and_a_text_for_its_record() -> None:
    _, sealed, _ = recorders()
    event = ChatEvent("message", 5, message_text=MessageText("hello"))
    first, second = (
        decoded(sealed.event_record(Entry(kinds.MESSAGE, at, kinds.LIVE, 1, event, PARTY), FACTS)) for at in (7, 8)
    )
    assert first["party"] == second["party"]
    assert first["message"]["text"] != second["message"]["text"]


def test_a_text_that_is_moved_to_another_record_is_refused() -> None:
    _, sealed, keys = recorders()
    event = ChatEvent("message", 5, message_text=MessageText("hello"))
    first, second = (
        decoded(sealed.event_record(Entry(kinds.MESSAGE, at, kinds.LIVE, 1, event, PARTY), FACTS)) for at in (7, 8)
    )
    with pytest.raises(VerificationFailed, match=r"message\.text"):
        opened_event({**second, "message": first["message"]}, keys.seal_of(SESSION))


@pytest.mark.parametrize("text", ["\ud800", "fine \udfff"])
def test_a_text_that_is_no_unicode_is_refused_as_in_clear(text: str) -> None:
    event = ChatEvent("message", 5, message_text=MessageText(text))
    for recorder in recorders()[:2]:
        head = recorder.head
        with pytest.raises(BridgeError, match="no Unicode"):
            recorder.event_record(Entry(kinds.MESSAGE, 7, kinds.LIVE, 1, event, PARTY), FACTS)
        assert recorder.head == head


@given(st.binary(max_size=300), st.integers(40, 100))
def test_quarantined_input_is_sealed_as_a_whole(raw: bytes, part_bytes: int) -> None:
    keys = KnownDataKeys()
    other = keys.seal_of("0000TEST00000002")
    seal = keys.seal_of(SESSION)
    payloads, _ = quarantine_records(
        SCHEMAS,
        site="main",
        source="chat-1:4800",
        session_id=SESSION,
        observed_at=1,
        reason=Problem("NO_JSON", "not JSON"),
        raw=raw,
        redactor=Redactor(),
        part_bytes=part_bytes,
        seal=seal,
    )
    parts = [SCHEMAS.decode(QUARANTINED_INPUT, payload) for payload in payloads]
    whole = b"".join(part["bytes"] for part in parts)
    assert {part["totalBytes"] for part in parts} == {len(raw)}
    assert opened_input(whole, [other, seal]) == redacted_input(raw, Redactor())[0]
    with pytest.raises(VerificationFailed):
        opened_input(whole, [other])
    assert opened_input(b"in clear", []) == b"in clear"


def _with_notice_type(word: str) -> ChatEvent:
    return ChatEvent("notice", 6, PARTY.user_id, notice_text=NoticeText(word, PLANTED))


def _texts(schema: Any, value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield (field, text) of every text in a value, the field as in REACHED."""
    if isinstance(schema, list):
        schema = schema[1]
    if isinstance(schema, str):
        schema = _RECORDS.get(schema, schema)
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "string" and value is not None:
        yield name, value
    elif kind == "record":
        _RECORDS[f"{schema['namespace']}.{schema['name']}"] = schema
        for part in schema["fields"] if value is not None else ():
            yield from _texts(part["type"], value[part["name"]], f"{schema['name']}.{part['name']}")
    elif kind in {"map", "array"}:
        for each in value.values() if kind == "map" else value:
            yield from _texts(schema["values" if kind == "map" else "items"], each, name)


_RECORDS: dict[str, Any] = {}
"""Full name of a record type -> its schema, once it was seen."""
