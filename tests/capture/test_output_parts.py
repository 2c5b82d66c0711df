"""Outputs that take a part: of the chats (tenant, attribute), or of their records (kind, visibility, user type)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from msgspec import structs

from bridge.records.avro import SESSION_RECORD
from bridge.records.chain import genesis
from bridge.records.selection import Where
from bridge.transcript.completeness import LEFT_OUT
from bridge.transcript.entries import COMPLETE, COMPLETE_WITH_EXPECTED_HOLES, GAP, INCOMPLETE
from bridge.transcript.events import Item
from bridge.transcript.gap_codes import OUTPUT_ADDED, OUTPUT_ENDED
from bridge.transcript.summary_codes import PART_ONLY
from bridge.transcript.updates import Damaged, QuarantinedInput
from tests.capture.test_session_store import NOW, SCHEMAS, announcement
from tests.capture.two_outputs import MASKED, SMALL, WHOLE, RecordedOutputs
from tests.support.reasons import NO_JSON
from tests.transcript.build import CHAT, history, joined, left, push, said

if TYPE_CHECKING:
    from bridge.capture.outputs import Output
    from bridge.transcript.events import ChatEvent
    from tests.capture.two_outputs import WrittenOutput

LONG: Final = "long " * SMALL


def part(**conditions: Any) -> Output:
    """The second output, with conditions."""
    return replace(MASKED, where=Where(**conditions))


NORTH: Final = part(tenant=("north*",))
MESSAGES: Final = part(kind=("MESSAGE",))
PUBLIC: Final = part(visibility=("ALL",))


def of(tenant: str | None, offset: int = 1, **more: Any) -> Any:
    return announcement(offset=offset, tenant=tenant, **more)


def codes_of(written: WrittenOutput) -> list[str]:
    return [record["gap"]["code"] for record in written.records() if record["gap"]]


def states_of(written: WrittenOutput) -> list[str]:
    return [one["state"] for one in written.session_records()]


def empty(written: WrittenOutput) -> bool:
    return not (written.events or written.sessions or written.quarantine)


# --- chats -------------------------------------------------------------------------------------------------------


def test_a_chat_without_a_tenant_is_in_no_output_that_names_tenants() -> None:
    shard = RecordedOutputs(WHOLE, part(tenant=("*",)))
    shard.fold(history(joined(1), said(2)), push(said(3), over=True))
    assert empty(shard.masked)
    assert shard.whole.certificates()[0]["verdict"] == COMPLETE
    shard.nothing_broken()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_chat_whose_tenant_becomes_known_begins_there_with_a_gap_for_what_came_before(restarted: bool) -> None:
    shard = RecordedOutputs(WHOLE, NORTH)
    shard.fold(history(joined(1), said(2)))
    shard.fold(of("north-1"))
    assert empty(shard.masked)  # it begins with the next record
    if restarted:
        shard.restart(WHOLE, NORTH)
    shard.fold(push(said(3)))
    if restarted:
        shard.restart(WHOLE, NORTH)
    shard.fold(push(left(4), over=True))
    assert shard.masked.outline() == [(2, GAP), (3, "MESSAGE"), (4, "PARTY_LEFT")]
    assert codes_of(shard.masked) == [OUTPUT_ADDED]
    assert shard.masked.records()[0]["integrity"]["previousHash"] == genesis(CHAT)
    assert states_of(shard.masked) == ["OPENED", "CLOSED"]
    [certificate] = shard.masked.certificates()
    assert (certificate["verdict"], certificate["reasons"]) == (INCOMPLETE, [LEFT_OUT, OUTPUT_ADDED])
    assert certificate["part"] == {
        "counts": {"PARTY_JOINED": 1, "MESSAGE": 1},
        "idRanges": [{"from": 1, "to": 2}],
    }
    assert {one["part"] for one in shard.masked.session_records()} == {'{"tenant":["north*"]}'}
    assert shard.masked.session_records()[-1]["noSummary"] == PART_ONLY
    assert codes_of(shard.whole) == []
    shard.nothing_broken()


def test_a_chat_of_the_tenant_from_its_beginning_on_is_whole_there() -> None:
    shard = RecordedOutputs(replace(WHOLE, where=Where(tenant=("south",))), NORTH)
    shard.store.fold([of("north-1", 3, session_id="0000OTHER0000001")], NOW)
    shard.fold(of("north-1"), history(joined(1), said(2)), push(said(3), over=True))
    assert shard.masked.outline() == [(1, "PARTY_JOINED"), (2, "MESSAGE"), (3, "MESSAGE")]
    assert shard.masked.certificates()[0]["verdict"] == COMPLETE
    assert empty(shard.whole)
    shard.nothing_broken()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_chat_that_changes_its_tenant_ends_here_with_a_certificate_and_begins_there(restarted: bool) -> None:
    south = replace(WHOLE, where=Where(tenant=("south",)))
    shard = RecordedOutputs(south, NORTH)
    shard.fold(of("north-1"), history(joined(1), said(2)))
    shard.fold(of("south", 2))
    if restarted:
        shard.restart(south, NORTH)
    shard.fold(push(said(3), said(4)))
    shard.fold(push(said(5), over=True))
    assert shard.masked.outline() == [(1, "PARTY_JOINED"), (2, "MESSAGE")]
    assert states_of(shard.masked) == ["OPENED", "CLOSED"]
    [ended] = shard.masked.certificates()
    assert (ended["verdict"], ended["reasons"], ended["lastSequence"]) == (INCOMPLETE, [OUTPUT_ENDED], 2)
    assert shard.whole.outline() == [(2, GAP), (3, "MESSAGE"), (4, "MESSAGE"), (5, "MESSAGE")]
    assert codes_of(shard.whole) == [OUTPUT_ADDED]
    for written, tenant in ((shard.masked, "north-1"), (shard.whole, "south")):
        assert {one["session"]["tenant"] for one in written.records()} == {tenant}
        assert {one["tenant"] for one in written.session_records()} == {tenant}
    shard.nothing_broken()


@pytest.mark.parametrize("between", [0, 1, 2])
def test_a_chat_that_comes_back_to_its_tenant_goes_on_in_its_chain(between: int) -> None:
    shard = RecordedOutputs(WHOLE, NORTH)
    shard.fold(of("north-1"), history(joined(1), said(2)))
    shard.fold(of("south", 2))
    shard.fold(*(push(said(3 + number)) for number in range(between)))
    shard.restart(WHOLE, NORTH)
    shard.fold(of("north-1", 3), push(said(9)), push(said(10), over=True))
    gap = [(2 + between, GAP)] if between else []
    after = 2 + between
    expected = [(1, "PARTY_JOINED"), (2, "MESSAGE"), *gap, (after + 1, "MESSAGE"), (after + 2, "MESSAGE")]
    assert shard.masked.outline() == expected
    assert states_of(shard.masked) == ["OPENED", "CLOSED", "OPENED", "CLOSED"]
    assert [one["supersedes"] for one in shard.masked.certificates()] == [None, None]
    shard.nothing_broken()


def test_a_chat_is_taken_by_its_user_data() -> None:
    shard = RecordedOutputs(WHOLE, part(attribute={"ServiceType": "bank*"}))
    shard.fold(of(None, user_data={"ServiceType": "travel"}), history(joined(1)))
    assert empty(shard.masked)
    shard.fold(of(None, 2, user_data={"ServiceType": "banking"}), push(said(2), over=True))
    assert shard.masked.outline() == [(1, GAP), (2, "MESSAGE")]
    shard.nothing_broken()


@pytest.mark.parametrize("restarted", [False, True])
def test_user_data_of_events_count_from_their_event_on(restarted: bool) -> None:
    outputs = (WHOLE, part(attribute={"ServiceType": "bank*"}))
    shard = RecordedOutputs(*outputs)
    shard.fold(history(joined(1), with_service(said(2), "banking")))
    if restarted:
        shard.restart(*outputs)
    shard.fold(push(said(3)), push(with_service(said(4), "travel")))
    if restarted:
        shard.restart(*outputs)
    shard.fold(push(said(5), over=True))
    assert shard.masked.outline() == [(1, GAP), (2, "MESSAGE"), (3, "MESSAGE")]
    assert OUTPUT_ENDED in shard.masked.certificates()[0]["reasons"]
    shard.nothing_broken()


def with_service(event: ChatEvent, service: str) -> ChatEvent:
    return structs.replace(event, user_data=[Item("ServiceType", "string", service)])


def test_what_comes_for_a_chat_that_ended_long_ago_is_where_the_chat_was() -> None:
    taken = part(attribute={"ServiceType": "banking"})
    shard = RecordedOutputs(WHOLE, taken)
    shard.fold(of(None, user_data={"ServiceType": "banking"}), history(joined(1), said(2), over=True))
    shard.fold(now=NOW + 120_000_000)
    assert CHAT not in shard.store.chats
    shard.restart(WHOLE, taken)
    shard.fold(history(joined(1), said(2), said(3), over=True), now=NOW + 180_000_000)
    assert shard.masked.outline() == shard.whole.outline()
    assert [one["supersedes"] for one in shard.masked.certificates()] == [None, 2]
    shard.nothing_broken()


def test_no_unreadable_input_goes_to_an_output_that_does_not_take_its_chat() -> None:
    shard = RecordedOutputs(WHOLE, NORTH)
    damaged = push(said(2))
    damaged.damaged = [Damaged(b"{}", "eventType: missing", 3)]
    nobody = QuarantinedInput("chat-1:4800", b"x", NO_JSON, 1, None, attributed=False, observed_at=NOW)
    mine = QuarantinedInput("chat-1:4800", b"y", NO_JSON, 1, CHAT, attributed=True, observed_at=NOW)
    shard.fold(history(joined(1)), damaged, nobody, mine)
    assert (len(shard.whole.set_aside()), len(shard.masked.set_aside())) == (3, 0)
    shard.fold(of("north-1"), mine, nobody)
    assert [one["bytes"] for one in shard.masked.set_aside()] == [b"y"]
    shard.nothing_broken()


# --- outputs that end --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("over", [False, True])
def test_an_output_that_ends_ends_each_open_chat_there_with_its_next_record(over: bool) -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2)))
    ended = replace(MASKED, ended=True)
    shard.restart(WHOLE, ended)
    shard.fold(push(over=True) if over else push(said(3)))
    shard.restart(WHOLE, ended)
    shard.fold(push(said(4)))
    assert shard.masked.outline() == [(1, "PARTY_JOINED"), (2, "MESSAGE")]
    [certificate] = shard.masked.certificates()
    assert (certificate["reasons"], certificate["counts"]) == ([OUTPUT_ENDED], {"PARTY_JOINED": 1, "MESSAGE": 1})
    shard.nothing_broken()


@pytest.mark.parametrize("went_on", [False, True])
def test_an_output_that_was_removed_at_once_and_comes_back_ends_the_chats_that_did_not_go_on(went_on: bool) -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2)))
    shard.restart(WHOLE)
    if went_on:
        shard.fold(push(said(3)))
    shard.restart(WHOLE, replace(MASKED, ended=True))
    shard.fold(push(said(4)))
    assert [one["reasons"] for one in shard.masked.certificates()] == ([] if went_on else [[OUTPUT_ENDED]])


# --- records -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restarted", [False, True])
def test_records_that_are_not_of_the_part_are_left_out_and_the_chain_goes_on_over_them(restarted: bool) -> None:
    shard = RecordedOutputs(WHOLE, MESSAGES)
    for update in (history(joined(1), said(2)), push(said(3), left(4)), push(said(5), left(6), over=True)):
        shard.fold(update)
        if restarted:
            shard.restart(WHOLE, MESSAGES)
    assert shard.masked.outline() == [(2, "MESSAGE"), (3, "MESSAGE"), (5, "MESSAGE")]
    chain = [one["integrity"] for one in shard.masked.records()]
    assert [one["previousHash"] for one in chain] == [genesis(CHAT), *(one["hash"] for one in chain[:-1])]
    [certificate] = shard.masked.certificates()
    assert (certificate["verdict"], certificate["reasons"]) == (COMPLETE_WITH_EXPECTED_HOLES, [LEFT_OUT])
    assert (certificate["lastSequence"], certificate["counts"]) == (5, {"MESSAGE": 3})
    assert certificate["part"]["counts"] == {"PARTY_JOINED": 1, "PARTY_LEFT": 2}
    assert shard.whole.certificates()[0]["verdict"] == COMPLETE
    shard.nothing_broken()


def test_an_open_chat_of_which_records_are_left_out_verifies_too() -> None:
    shard = RecordedOutputs(WHOLE, MESSAGES)
    shard.fold(history(joined(1), said(2)), push(left(3), said(4)))
    shard.nothing_broken()


def test_what_one_visibility_may_not_see_is_neither_in_its_records_nor_in_its_quarantine() -> None:
    shard = RecordedOutputs(WHOLE, PUBLIC)
    secret = structs.replace(said(3, LONG), visibility="VIP")
    shard.fold(history(joined(1), said(2), secret, over=True))
    assert shard.masked.outline() == [(1, "PARTY_JOINED"), (2, "MESSAGE")]
    assert shard.masked.set_aside() == []
    assert b"long" not in b"".join(shard.masked.events + shard.masked.sessions)
    shard.nothing_broken()


def test_a_change_of_an_event_that_was_left_out_is_left_out_too() -> None:
    shard = RecordedOutputs(WHOLE, PUBLIC)
    shard.fold(history(joined(1), structs.replace(said(2), visibility="INT"), said(3)))
    shard.fold(push(said(2, "now for all")), push(said(3, "changed"), over=True))
    assert [one["id"] for one in shard.masked.records()] == [f"{CHAT}:1", f"{CHAT}:3", f"{CHAT}:3:1"]
    assert [one["amendments"] for one in (*shard.whole.certificates(), *shard.masked.certificates())] == [2, 1]
    shard.nothing_broken()


def test_a_part_that_is_too_large_is_a_gap_there() -> None:
    shard = RecordedOutputs(WHOLE, MESSAGES)
    shard.fold(history(joined(1), said(2, LONG), said(3), over=True))
    assert shard.masked.outline() == [(2, GAP), (3, "MESSAGE")]
    assert len(shard.masked.set_aside()) == 1
    assert shard.masked.certificates()[0]["part"]["counts"] == {"PARTY_JOINED": 1}
    shard.nothing_broken()


def test_a_part_that_is_set_while_a_chat_is_open_is_said_with_its_next_record() -> None:
    shard = RecordedOutputs()
    shard.fold(history(joined(1), said(2)))
    shard.restart(WHOLE, MESSAGES)
    shard.fold(push(left(3), said(4)))
    shard.nothing_broken()
    shard.restart(WHOLE, MESSAGES)
    shard.fold(push(said(5), over=True))
    assert [sequence for sequence, _ in shard.masked.outline()] == [1, 2, 4, 5]
    assert states_of(shard.masked) == ["OPENED", "OPENED", "CLOSED"]
    shard.nothing_broken()


@pytest.mark.parametrize("gone", [1, 2])
def test_a_record_that_is_taken_out_of_a_part_is_found(gone: int) -> None:
    shard = RecordedOutputs(WHOLE, MESSAGES)
    shard.fold(history(joined(1), said(2), left(3), said(4), left(5), said(6), over=True))
    del shard.masked.events[gone]
    assert any(finding.broken for finding in shard.masked.findings())


def test_a_hole_that_no_record_speaks_of_is_found_although_the_chain_goes_on() -> None:
    shard = RecordedOutputs(WHOLE, MESSAGES)
    shard.fold(history(joined(1), said(2), left(3), said(4)))
    told = SCHEMAS.decode(SESSION_RECORD, shard.masked.sessions[0])
    shard.masked.sessions[0] = SCHEMAS.encode(SESSION_RECORD, {**told, "part": None})
    assert any(finding.broken for finding in shard.masked.findings())
