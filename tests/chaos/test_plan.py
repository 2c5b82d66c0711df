"""The plan depends only on its seed; the timeline says which events are required."""

from __future__ import annotations

from itertools import islice

from bridge.simulator.harness.ledger import LedgerLine
from bridge.transcript.events import ALL, CLIENT, MESSAGE, NEW_PARTY, PARTY_LEFT, SUPERVISOR, VIP, ChatEvent, UserInfo
from tests.chaos import injectors
from tests.chaos.plan import steps
from tests.support.ledger_timeline import ChatTimeline, FaultFreePeriod

MONITOR = UserInfo("bridge", SUPERVISOR)
CUSTOMER = UserInfo("Visitor 1", CLIENT)


def event(event_id: int, at: float, event_type: str = MESSAGE, user_id: str = "C", visibility: str = ALL) -> LedgerLine:
    info = MONITOR if visibility == VIP else CUSTOMER
    chat_event = ChatEvent(event_type, event_id, user_id, int(at), visibility, user_info=info)
    return LedgerLine("event", "S", at, event_id, chat_event)


def timeline(*lines: LedgerLine) -> ChatTimeline:
    chat = ChatTimeline("S")
    for line in lines:
        chat.add(line)
    return chat


def required_ids(chat: ChatTimeline, *periods: FaultFreePeriod) -> list[int]:
    chat.mark_required(periods)
    return [one.event.event_id for one in chat.events if one.required]


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    assert list(islice(steps(7), 50)) == list(islice(steps(7), 50))
    assert list(islice(steps(7), 50)) != list(islice(steps(8), 50))


def test_every_kind_of_fault_occurs_and_can_be_begun_and_ended() -> None:
    kinds = {fault.kind for step in islice(steps(1), 40) for _, fault in step.faults}
    assert kinds == set(injectors._ACTS)


def test_faults_that_overlap_have_different_victims() -> None:
    pairs = [step.faults for step in islice(steps(3), 200) if len(step.faults) > 1]
    assert pairs
    assert all(first[1].victim != second[1].victim for first, second in pairs)


def test_the_whole_history_is_required_for_a_monitor_that_joins_in_a_fault_free_period() -> None:
    chat = timeline(event(1, 10), event(2, 20), event(3, 101, NEW_PARTY, "M", VIP), event(4, 105), event(5, 112))
    assert required_ids(chat, FaultFreePeriod(90, 95, 115)) == [1, 2, 3, 4]


def test_the_events_of_a_fault_free_period_are_required_for_a_monitor_that_joined_before() -> None:
    chat = timeline(event(1, 10), event(2, 50, NEW_PARTY, "M", VIP), event(3, 92), event(4, 101), event(5, 114))
    assert required_ids(chat, FaultFreePeriod(90, 95, 115)) == [4]


def test_nothing_is_required_when_the_next_fault_comes_too_soon() -> None:
    chat = timeline(event(1, 10), event(2, 101, NEW_PARTY, "M", VIP), event(3, 102))
    assert required_ids(chat, FaultFreePeriod(90, 95, 105)) == []


def test_the_end_of_a_chat_in_a_fault_free_period_is_required() -> None:
    closing = (event(3, 110, PARTY_LEFT), event(4, 110, PARTY_LEFT, "M", VIP), LedgerLine("closed", "S", 110))
    chat = timeline(event(1, 10), event(2, 50, NEW_PARTY, "M", VIP), *closing)
    assert required_ids(chat, FaultFreePeriod(90, 95)) == [3, 4]


def test_what_the_server_lost_before_the_monitor_joined_is_not_required_and_what_it_lost_later_is() -> None:
    chat = timeline(
        event(1, 10),
        event(2, 20),
        LedgerLine("restored", "S", 30, lost=[2], next_id=2),
        event(2, 96, NEW_PARTY, "M", VIP),
        event(3, 97),
        LedgerLine("restored", "S", 120, lost=[3], next_id=4),
    )
    chat.mark_required([FaultFreePeriod(90, 95, 110)])
    assert [one.required for one in chat.events] == [True, False, True, True]
    assert [one.untraceable for one in chat.events] == [False, True, True, False]


def test_what_the_server_lost_is_untraceable_only_if_no_monitor_was_in_the_chat_before_or_its_id_came_again() -> None:
    chat = timeline(
        event(1, 10),
        event(2, 20),
        LedgerLine("restored", "S", 30, lost=[2], next_id=3),
        event(3, 40, NEW_PARTY, "M", VIP),
        event(4, 50),
        LedgerLine("restored", "S", 60, lost=[4], next_id=5),
        event(5, 70),
        LedgerLine("restored", "S", 80, lost=[5], next_id=6),
    )
    assert [(one.event.event_id, one.untraceable) for one in chat.events if one.lost_at] == [
        (2, True),
        (4, False),
        (5, False),
    ]
