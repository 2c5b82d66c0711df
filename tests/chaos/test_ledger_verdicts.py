"""What the ledger alone says of a chat: which verdicts its certificate may have, and which absences it has to tell."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.chaos.journal_connections import JournalConnections
from tests.chaos.ledger_verdicts import (
    COMPLETE,
    EXPECTED,
    INCOMPLETE,
    FaultTimes,
    LedgerChatView,
    SentGarbage,
    judge,
    steady_times,
)

QUIET = [(0.0, 40.0), (60.0, math.inf)]


def event(number: int, at: float, kind: str = "message", user: str = "C", **more: Any) -> dict[str, Any]:
    more = {"userInfo": {"protocolType": "BASIC"}, **more} if kind == "newParty" else more
    return {"kind": "event", "at": at, "event": {"eventId": number, "eventType": kind, "userId": user, **more}}


def comes(number: int, at: float, user: str = "M1") -> dict[str, Any]:
    return event(number, at, "newParty", user, visibility="VIP")


def goes(number: int, at: float, user: str = "M1") -> dict[str, Any]:
    return event(number, at, "partyLeft", user, visibility="VIP")


def closed(at: float) -> dict[str, Any]:
    return {"kind": "closed", "at": at}


def restored(at: float, *lost: int) -> dict[str, Any]:
    return {"kind": "restored", "at": at, "lost": list(lost)}


AGENT = event(1, 1.0, "newParty", "A")
SEEN = (AGENT, comes(2, 2.0), event(3, 20.0))
ALONE = (event(1, 1.0), comes(2, 2.0), event(3, 20.0))
EITHER = {EXPECTED, INCOMPLETE}
ALL = {COMPLETE, EXPECTED, INCOMPLETE}
NEXT = (comes(6, 61.0, "M2"), closed(90.0))
LAST = (comes(9, 61.0, "M2"), closed(90.0))
BACK = (goes(4, 42.0), event(5, 50.0), comes(6, 61.0, "M2"), event(7, 70.0))


@pytest.mark.parametrize(
    ("lines", "allowed"),
    [
        ((*SEEN, closed(30.0)), {COMPLETE}),
        ((*SEEN, closed(38.0)), {COMPLETE, INCOMPLETE}),
        ((event(1, 1.0), closed(30.0)), {INCOMPLETE}),
        ((*SEEN, goes(4, 25.0), closed(30.0)), {INCOMPLETE}),
        ((*SEEN, *BACK, closed(90.0)), {COMPLETE}),
        ((*SEEN, *BACK[:2], event(6, 58.0), restored(59.0, 6), comes(7, 61.0, "M2"), closed(90.0)), {INCOMPLETE}),
        ((*SEEN, *BACK[:2], event(6, 58.0), restored(59.0, 6), comes(6, 61.0, "M2"), closed(90.0)), {COMPLETE}),
        ((*SEEN, event(4, 39.0), restored(41.0, 4), comes(5, 61.0, "M2"), closed(90.0)), ALL),
        ((event(1, 1.0), event(2, 2.0), restored(3.0, 2), comes(3, 4.0), event(4, 9.0), closed(30.0)), {EXPECTED}),
        ((*SEEN, event(5, 25.0), closed(32.0)), {EXPECTED}),
        ((*ALONE, event(5, 25.0), closed(32.0)), {INCOMPLETE}),
        ((*SEEN, restored(22.0, 3), comes(3, 23.0, "M2"), event(6, 24.0), closed(32.0)), EITHER),
        ((*SEEN, event(5, 25.0), restored(41.0, 5), comes(5, 61.0, "M2"), closed(90.0)), {EXPECTED}),
        ((*SEEN, goes(4, 42.0), event(5, 42.5), event(7, 55.0), comes(8, 61.0, "M2"), closed(90.0)), {INCOMPLETE}),
        ((*SEEN, goes(4, 22.0), event(5, 30.0), event(7, 35.0), comes(8, 61.0, "M2"), closed(90.0)), {INCOMPLETE}),
        ((*SEEN, event(4, 25.0, receiverId="A"), event(5, 26.0), closed(32.0)), {EXPECTED}),
        ((*SEEN, event(4, 25.0, receiverId="A"), event(5, 26.0), restored(41.0, 4, 5), *NEXT), {EXPECTED}),
        ((*SEEN, *BACK[:2], event(8, 42.5, receiverId="A"), *LAST), {INCOMPLETE}),
        ((*SEEN, event(4, 41.0), event(6, 41.5), goes(7, 42.0), comes(8, 61.0, "M2"), closed(90.0)), EITHER),
    ],
)  # fmt: skip
def test_the_verdicts_that_the_ledger_allows(lines: tuple[dict[str, Any], ...], allowed: set[str]) -> None:
    chat = LedgerChatView("chat-server")
    for line in lines:
        chat.take(line)
    assert judge(chat, FaultTimes(QUIET)).allowed == allowed


@pytest.mark.parametrize(("asked", "allowed"), [(29.0, {COMPLETE}), (31.0, {COMPLETE, INCOMPLETE})])
def test_who_asks_for_a_chat_that_is_over_may_find_it_over_before_its_end_is_published(
    asked: float, allowed: set[str]
) -> None:
    chat = LedgerChatView("chat-server")
    for line in (*SEEN, closed(30.0)):
        chat.take(line)
    chat.asked = [2.0, asked]
    assert judge(chat, FaultTimes(QUIET)).allowed == allowed


def test_damaged_input_while_a_monitor_was_there_may_have_cost_something() -> None:
    chat = LedgerChatView("chat-server")
    for line in (*SEEN, closed(30.0)):
        chat.take(line)
    assert judge(chat, FaultTimes(QUIET, garbage=[SentGarbage("chat-server", 15.0, 16.0, "?")])).allowed == {
        COMPLETE,
        INCOMPLETE,
    }
    assert judge(chat, FaultTimes(QUIET, garbage=[SentGarbage("chat-server", 80.0, 81.0, "?")])).allowed == {COMPLETE}


def test_an_absence_counts_between_two_presences_of_which_the_first_surely_had_the_history() -> None:
    chat = LedgerChatView("chat-server")
    for line in (*SEEN, *BACK, closed(90.0)):
        chat.take(line)
    assert judge(chat, FaultTimes(QUIET)).absences == [(42.0, 61.0)]
    assert judge(chat, FaultTimes(QUIET[1:])).absences == []


IN_A_FAULT = (*SEEN, event(4, 44.0), event(6, 45.0), closed(47.0))


@pytest.mark.parametrize(
    ("lines", "lives", "allowed"),
    [
        (IN_A_FAULT, [], EITHER),
        (IN_A_FAULT, [64.0], EITHER),  # the connection may have ended with the fault
        (IN_A_FAULT, [65.0], {EXPECTED}),
        (IN_A_FAULT, [65.0, 66.0], EITHER),  # journal and ledger tell of different joins
        ((*IN_A_FAULT[:-1], comes(7, 46.0, "M2"), closed(47.0)), [65.0, 65.0], EITHER),  # another worker came
        ((*IN_A_FAULT[:-1], goes(7, 46.0), comes(8, 62.0, "M2"), closed(90.0)), [70.0, 99.0], EITHER),
        ((*SEEN, closed(47.0)), [52.0], {COMPLETE, INCOMPLETE}),
        ((*SEEN, closed(47.0)), [65.0], {COMPLETE}),
    ],
)
def test_a_connection_that_lives_on_has_brought_all_that_was_sent(
    lines: tuple[dict[str, Any], ...], lives: list[float], allowed: set[str]
) -> None:
    chat = LedgerChatView("chat-server", lives=lives)
    for line in lines:
        chat.take(line)
    assert judge(chat, FaultTimes(QUIET)).allowed == allowed


def test_a_connection_lives_until_its_end_is_told_or_its_server_says_no_more() -> None:
    journal = JournalConnections()

    def told(at: float, connection: int, **more: Any) -> None:
        journal.take({"at": at, "connection": connection, "nickname": "bridge", "caused": {}, **more})

    def joins(at: float, connection: int) -> None:
        told(at, connection, request="RequestJoin", session_id="S", caused={"newParty VIP": 1})

    standby = 1_000_000_001
    joins(2.0, 1)
    told(3.0, 1, request="RequestJoin", session_id="S")  # refused
    told(9.0, 2, request="Ping")
    joins(21.0, standby)
    told(30.0, standby, disconnected=True)
    told(31.0, standby + 1, request="Ping")
    assert journal.lives("S") == [9.0, 30.0]
    assert journal.lives("T") == []
    assert (journal.joined("S"), journal.asked("S")) == ([1, standby], [2.0, 3.0, 21.0])


def test_what_a_fault_sends_to_end_a_line_is_no_line_that_could_not_be_read() -> None:
    journal = JournalConnections()
    for at, length in ((2.0, len("?!\n")), (3.0, len("\n"))):
        journal.take({"at": at, "connection": 1, "nickname": "bridge", "caused": {}, "raw": length})
    assert journal.raw == {1: [2.0]}


@pytest.mark.parametrize(
    ("lines", "allowed"),
    [
        ((*SEEN, closed(38.0)), {COMPLETE}),
        ((*SEEN, closed(39.5)), {COMPLETE, INCOMPLETE}),  # it may have been on its way
        ((*SEEN, event(5, 38.0), goes(6, 42.0), event(7, 55.0), comes(8, 61.0, "M2"), closed(90.0)), {EXPECTED}),
        ((*SEEN, event(4, 38.0), restored(41.0, 4), comes(5, 61.0, "M2"), closed(90.0)), {COMPLETE}),
    ],
)
def test_a_fault_of_a_chat_server_takes_back_nothing_that_was_sent_before(
    lines: tuple[dict[str, Any], ...], allowed: set[str]
) -> None:
    chat = LedgerChatView("chat-server")
    for line in lines:
        chat.take(line)
    assert judge(chat, FaultTimes(QUIET, steady=[(0.0, math.inf)])).allowed == allowed
    assert judge(chat, FaultTimes(QUIET, steady=QUIET)).allowed > {INCOMPLETE}


def test_steady_times_go_over_steps_that_disturb_no_worker_and_no_broker() -> None:
    quiet = [(0.0, 10.0), (20.0, 30.0), (40.0, 50.0), (60.0, math.inf)]
    assert steady_times(quiet, [False, True, False]) == [(0.0, 30.0), (40.0, math.inf)]
    assert steady_times(quiet, [True, True, True]) == quiet
    assert steady_times([], []) == []
