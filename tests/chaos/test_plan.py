"""The plan is its seed; what is owed is what no fault excuses."""

from __future__ import annotations

from itertools import islice

from bridge.simulator.harness.ledger import LedgerLine
from bridge.transcript.events import ALL, CLIENT, MESSAGE, NEW_PARTY, PARTY_LEFT, SUPERVISOR, VIP, ChatEvent, UserInfo
from tests.chaos import injectors
from tests.chaos.plan import steps
from tests.support.ledger_timeline import Calm, Life

MONITOR = UserInfo("bridge", SUPERVISOR)
CUSTOMER = UserInfo("Visitor 1", CLIENT)


def said(event_id: int, at: float, event_type: str = MESSAGE, user_id: str = "C", visibility: str = ALL) -> LedgerLine:
    info = MONITOR if visibility == VIP else CUSTOMER
    event = ChatEvent(event_type, event_id, user_id, int(at), visibility, user_info=info)
    return LedgerLine("event", "S", at, event_id, event)


def life(*lines: LedgerLine) -> Life:
    chat = Life("S")
    for line in lines:
        chat.take(line)
    return chat


def owed(chat: Life, *calm: Calm) -> list[int]:
    chat.owe(calm)
    return [one.event.event_id for one in chat.occurrences if one.owed]


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    assert list(islice(steps(7), 50)) == list(islice(steps(7), 50))
    assert list(islice(steps(7), 50)) != list(islice(steps(8), 50))


def test_every_kind_of_fault_comes_and_is_known_how_to_begin_and_to_end() -> None:
    kinds = {fault.kind for step in islice(steps(1), 40) for _, fault in step.faults}
    assert kinds == set(injectors._ACTS)


def test_faults_that_overlap_have_different_victims() -> None:
    pairs = [step.faults for step in islice(steps(3), 200) if len(step.faults) > 1]
    assert pairs
    assert all(first[1].victim != second[1].victim for first, second in pairs)


def test_a_monitor_that_joins_in_the_calm_owes_the_whole_history() -> None:
    chat = life(said(1, 10), said(2, 20), said(3, 101, NEW_PARTY, "M", VIP), said(4, 105), said(5, 112))
    assert owed(chat, Calm(90, 95, 115)) == [1, 2, 3, 4]


def test_a_monitor_from_before_owes_what_is_said_in_the_calm() -> None:
    chat = life(said(1, 10), said(2, 50, NEW_PARTY, "M", VIP), said(3, 92), said(4, 101), said(5, 114))
    assert owed(chat, Calm(90, 95, 115)) == [4]


def test_nothing_is_owed_when_the_next_fault_comes_too_soon() -> None:
    chat = life(said(1, 10), said(2, 101, NEW_PARTY, "M", VIP), said(3, 102))
    assert owed(chat, Calm(90, 95, 105)) == []


def test_the_end_of_a_chat_in_the_calm_is_owed() -> None:
    closing = (said(3, 110, PARTY_LEFT), said(4, 110, PARTY_LEFT, "M", VIP), LedgerLine("closed", "S", 110))
    chat = life(said(1, 10), said(2, 50, NEW_PARTY, "M", VIP), *closing)
    assert owed(chat, Calm(90, 95)) == [3, 4]


def test_what_the_server_forgot_before_the_monitor_came_is_not_owed_and_what_it_forgot_later_is() -> None:
    chat = life(
        said(1, 10),
        said(2, 20),
        LedgerLine("restored", "S", 30, lost=[2], next_id=2),
        said(2, 96, NEW_PARTY, "M", VIP),
        said(3, 97),
        LedgerLine("restored", "S", 120, lost=[3], next_id=4),
    )
    chat.owe([Calm(90, 95, 110)])
    assert [one.owed for one in chat.occurrences] == [True, False, True, True]
    assert [one.traceless for one in chat.occurrences] == [False, True, True, False]
