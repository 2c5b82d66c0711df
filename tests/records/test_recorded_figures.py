"""Ending and summary of a closed chat, without any signature: what its records tell is what has to be said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.records.avro import SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.verifier import Verifier
from bridge.transcript.events import ChatEvent, NoticeText, Reason, UserInfo
from tests.tampering.topic_copies import EVENTS, SCHEMAS, SESSIONS, TopicCopies, WrittenChat
from tests.transcript.build import joined, left, said
from tests.transcript.summary_chats import amended, chats

if TYPE_CHECKING:
    from collections.abc import Callable

    Change = Callable[[dict[str, Any]], None]

CHAT = "0000TEST00000001"
AGENT = ChatEvent("newParty", 2, "A", user_info=UserInfo("Ann", "AGENT", "agent-7"))
WORK = [joined(1), AGENT, said(3, "hello"), said(4, "good morning", "A")]
FORCED = ChatEvent("partyLeft", 5, "A", time_shift=50, reason=Reason(2))
IDLE = ChatEvent("notice", 5, "A", time_shift=50, notice_text=NoticeText("IDLE_CONTROL_CLOSE", "bye"))


def found(copies: TopicCopies, change: Change | None = None, of_event: Change | None = None) -> list[str]:
    """What a verifier says, after a change to the last session record, or to each event."""
    verifier = Verifier(SCHEMAS)
    sessions = copies.log(SESSIONS, 0)
    for offset, record in enumerate(sessions):
        payload = record.payload
        if change is not None and offset == len(sessions) - 1:
            told = SCHEMAS.decode(SESSION_RECORD, payload)
            change(told)
            payload = SCHEMAS.encode(SESSION_RECORD, told)
        verifier.feed_session(payload, 0, offset)
    for offset, record in enumerate(copies.log(EVENTS, 0)):
        payload = record.payload
        if of_event is not None:
            told = SCHEMAS.decode(TRANSCRIPT_EVENT, payload)
            of_event(told)
            payload = SCHEMAS.encode(TRANSCRIPT_EVENT, told)
        verifier.feed_event(payload, 0, offset)
    return [each.message for each in verifier.findings()]


def closed(*events: ChatEvent, late: int = 0) -> TopicCopies:
    """A chat whose first events come with a history; of the others `late` come after it was closed once."""
    copies = TopicCopies()
    chat = WrittenChat(copies, CHAT, partition=0)
    cut = len(events) - late
    chat.hears(*events[: cut // 2 + 1], snapshot=True)
    for event in events[cut // 2 + 1 : cut]:
        chat.hears(event)
    chat.close()
    if late:
        before = len(copies.log(EVENTS, 0))
        chat.hears(*events[cut:])
        chat.close(before)
    return copies


@settings(max_examples=60)
@given(chats(), st.data())
def test_what_the_bridge_says_is_what_the_records_tell(events: list[ChatEvent], data: st.DataObject) -> None:
    told = data.draw(st.permutations(events))
    changed = data.draw(st.lists(st.sampled_from(events), max_size=3, unique_by=lambda one: one.event_id))
    late = data.draw(st.integers(0, len(changed)))
    assert found(closed(*told, *map(amended, changed), late=late)) == []


def _figure(name: str, value: Any) -> Change:
    def change(told: dict[str, Any]) -> None:
        assert told["summary"][name] != value
        told["summary"][name] = value

    return change


FIGURES: dict[str, Any] = {
    "approximate": True,
    "approximateReasons": ["IDS_REUSED"],
    "durationSeconds": 51,
    "waitSeconds": 99,
    "firstResponseSeconds": None,
    "agentResponses": {
        "count": 0,
        "sumSeconds": 0,
        "maxSeconds": None,
        "p50Seconds": None,
        "p90Seconds": None,
        "buckets": [],
    },
    "longestSilenceSeconds": 99,
    "byUserType": {"CLIENT": {"messages": 1, "characters": 6}},
    "agents": 2,
    "transfers": 1,
    "conferences": 1,
    "coachings": 1,
    "botHandled": True,
    "botHandedOver": True,
    "filesUploaded": 1,
    "filesDeleted": 1,
    "closeReason": "IDLE",
    "closedByUserType": "CLIENT",
    "closedByUserId": "C",
    "abandoned": True,
    "idleClosed": True,
    "async": True,
}


def test_every_figure_of_a_summary_is_changed_here() -> None:
    told = SCHEMAS.decode(SESSION_RECORD, closed(*WORK, FORCED).log(SESSIONS, 0)[-1].payload)
    assert set(FIGURES) == set(told["summary"]) - {"definitions"}


@pytest.mark.parametrize("name", FIGURES)
def test_another_figure_in_a_summary_is_found(name: str) -> None:
    (message,) = found(closed(*WORK, FORCED), _figure(name, FIGURES[name]))
    assert f"summary that says {name} " in message


@pytest.mark.parametrize("name", FIGURES)
def test_a_text_that_only_begins_like_a_sealed_one_hides_no_figure(name: str) -> None:
    copies = closed(*WORK[:-1], said(4, "sealed:1: hello", "A"), FORCED)
    assert found(copies) == []
    assert any(f"summary that says {name} " in message for message in found(copies, _figure(name, FIGURES[name])))


ENDINGS: dict[str, tuple[ChatEvent, dict[str, str | None]]] = {
    "another ending": (FORCED, {"ending": "IDLE"}),
    "nobody": (FORCED, {"endedBy": None, "endedByType": None}),
    "somebody else": (FORCED, {"endedBy": "C"}),
    "another type": (FORCED, {"endedByType": "SUPERVISOR"}),
    "not idle": (IDLE, {"ending": "CLOSED"}),
    "somebody for nobody": (left(5), {"endedBy": "C", "endedByType": "CLIENT"}),
    "by somebody, and lost": (FORCED, {"ending": "LOST"}),
    "removed": (left(5), {"ending": "REMOVED"}),
    "elsewhere": (left(5), {"ending": "RESTORED_ELSEWHERE"}),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_another_ending_is_found(name: str) -> None:
    event, changes = ENDINGS[name]
    copies = closed(*WORK, event)
    assert found(copies) == []
    (message,) = found(copies, lambda told: told["certificate"].update(changes))
    assert "ending" in message


def test_the_last_of_two_certificates_is_judged_with_all_events() -> None:
    copies = closed(*WORK, FORCED, late=2)
    assert found(copies) == []
    assert found(copies, _figure("agents", 4)) != []


def test_what_no_record_tells_is_not_judged() -> None:
    """That nobody said that it was over, and that there is no summary: the events do not contradict it."""
    copies = closed(*WORK, left(5))
    assert found(copies, lambda told: told["certificate"].update(ending="UNKNOWN")) == []
    assert found(copies, lambda told: told.update(summary=None)) == []


def test_a_forged_departure_without_its_reason_is_a_finding_and_no_crash() -> None:
    messages = found(closed(*WORK, FORCED), of_event=lambda told: told.update(departure=None))
    assert any("hash" in message for message in messages)
