"""The edge cases that docs/summary-of-a-chat.md names, one by one, as short chats."""

from __future__ import annotations

from typing import Any, Final

import pytest

from bridge.transcript.events import ChatEvent, Item, MessageText, NoticeText, Reason, UserInfo
from tests.transcript.build import fresh, history
from tests.transcript.summary_chats import fields_of

PARTIES: Final = {
    "C": ("CLIENT", ""),
    "A": ("AGENT", "agent-1"),
    "A'": ("AGENT", "agent-1"),
    "B": ("AGENT", "agent-2"),
    "D": ("AGENT", "agent-3"),
    "S": ("SUPERVISOR", "sup-1"),
    "bot": ("AGENT", ""),
    "flow": ("EXTERNAL", ""),
}
MARK: Final = [Item("GCTI_Chat_PartyStyle", value="BOT")]


def event(number: int, line: str) -> ChatEvent:
    """An event of a line `time party verb [argument]`."""
    at, who, verb, *rest = line.split(" ", 3)
    told: dict[str, Any] = {"time_shift": int(at), "user_id": who}
    if verb in {"joins", "coaches"}:
        user_type, person = PARTIES[who]
        told["user_info"] = UserInfo(who, user_type, person)
        told["visibility"] = "INT" if verb == "coaches" else "ALL"
        told["user_data"] = MARK if who == "bot" else []
        told["message_text"] = MessageText(rest[0]) if rest else None
        return ChatEvent("newParty", number, **told)
    if verb == "leaves":
        told["reason"] = Reason(int(rest[0]) if rest else None)
        return ChatEvent("partyLeft", number, asker_id=who, **told)
    if verb == "shows":
        return ChatEvent("notice", number, notice_text=NoticeText("USER_PUSHED_URL", "https://a.invalid"), **told)
    treat_as = "SYSTEM" if verb == "automates" else None
    told["visibility"] = "INT" if verb == "whispers" else "ALL"
    return ChatEvent("message", number, message_text=MessageText("text", None, treat_as), **told)


def figures(*lines: str) -> dict[str, Any]:
    fold = fresh()
    fold.apply(history(*(event(number, line) for number, line in enumerate(lines, 1))))
    found = fields_of(fold)
    assert not isinstance(found, str)
    times = found.pop("agentResponses")
    return {**found, "responses": (times["count"], times["sumSeconds"])}


STARTED: Final = ("0 C joins", "5 A joins")

CASES: Final[dict[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "several messages in a row are one turn, from the first of them": (
        (*STARTED, "10 C says", "20 C says", "25 A says", "30 A says"),
        {"responses": (1, 15), "firstResponseSeconds": 25},
    ),
    "the time in the queue is no response time": (
        ("0 C joins", "1 C says", "100 A joins", "107 A says"),
        {"responses": (1, 7), "waitSeconds": 100, "firstResponseSeconds": 107},
    ),
    "nor is the time between two agents": (
        (*STARTED, "10 C says", "20 A leaves", "500 B joins", "503 B says"),
        {"responses": (1, 3), "transfers": 1},
    ),
    "a bot's answer ends the turn and is not measured": (
        ("0 C joins", "1 bot joins", "10 C says", "12 bot says", "20 A joins", "21 A says"),
        {"responses": (0, 0), "botHandled": True, "botHandedOver": True},
    ),
    "an answer of an agent who has left is not measured": (
        (*STARTED, "10 C says", "11 A leaves", "12 A says"),
        {"responses": (0, 0)},
    ),
    "a turn ends when the last customer leaves": (
        (*STARTED, "10 C says", "11 C leaves", "30 A says"),
        {"responses": (0, 0)},
    ),
    "what nobody typed, and what the customer does not see, is no answer": (
        (*STARTED, "10 C says", "11 A automates", "12 A whispers", "30 A shows"),
        {"responses": (1, 20), "firstResponseSeconds": 30},
    ),
    "a greeting that comes with a join is an utterance": (
        ("0 C joins", "1 C says", "9 A joins hello"),
        {"responses": (1, 0), "firstResponseSeconds": 9},
    ),
    "an agent who was first lets nobody wait": (
        ("0 A joins", "10 C joins"),
        {"waitSeconds": 0, "firstResponseSeconds": None},
    ),
    "silence lasts while a customer is there, to the last event if none leaves": (
        ("0 C joins", "10 A joins", "20 A says", "25 C leaves", "900 A says", "1000 C joins", "1060 A leaves"),
        {"longestSilenceSeconds": 60},
    ),
    "what a workflow writes ends no silence": (
        ("0 C joins", "0 flow joins", "50 flow says", "100 C leaves"),
        {"longestSilenceSeconds": 100, "byUserType": {"EXTERNAL": {"messages": 1, "characters": 4}}},
    ),
    "an agent who comes back under another userId is the same person": (
        (*STARTED, "10 A leaves 3", "20 A' joins"),
        {"agents": 1, "transfers": 0, "conferences": 0},
    ),
    "an agent who joins before the other one leaves takes over": (
        (*STARTED, "10 B joins", "11 A leaves", "20 B says"),
        {"agents": 2, "transfers": 1, "conferences": 0},
    ),
    "both serve together if the first one says something more": (
        (*STARTED, "10 B joins", "11 A says", "12 A leaves"),
        {"transfers": 0, "conferences": 1},
    ),
    "or if the one who joined leaves first, or the chat ends": (
        (*STARTED, "10 B joins", "11 B leaves", "12 D joins"),
        {"transfers": 0, "conferences": 2},
    ),
    "a coach serves nobody": (
        (*STARTED, "10 S coaches", "20 S leaves", "30 S coaches"),
        {"agents": 1, "coachings": 2, "conferences": 0},
    ),
    "a customer who leaves alone before an agent has abandoned the chat": (
        ("0 C joins", "50 C leaves", "60 A joins"),
        {"abandoned": True, "closeReason": "LEFT", "closedByUserType": "CLIENT"},
    ),
    "not one who came back": (("0 C joins", "50 C leaves 3", "55 C joins", "60 A joins"), {"abandoned": False}),
    "nor one whom the server removed": (
        ("0 C joins", "50 C leaves 5"),
        {"abandoned": False, "closeReason": "SERVER"},
    ),
    "nor one whom inactivity removed": (
        ("0 C joins", "50 C leaves 7"),
        {"abandoned": False, "closeReason": "IDLE", "idleClosed": True},
    ),
    "the agent closes a chat that the customer has left": (
        (*STARTED, "50 C leaves", "50 A leaves 2"),
        {"closeReason": "FORCE_CLOSE", "closedByUserType": "AGENT", "abandoned": False},
    ),
    "a request after which the chat went on did not close it": (
        (*STARTED, "50 A leaves 1", "60 B joins", "70 C leaves 3"),
        {"closeReason": "DISCONNECTED", "closedByUserId": "C"},
    ),
    "nothing tells who ended a chat whose end was not seen": (
        STARTED,
        {"closeReason": None, "closedByUserType": None, "async": False},
    ),
    "without a customer there is nothing to wait for": (
        ("5 A joins", "9 A says"),
        {"waitSeconds": None, "firstResponseSeconds": None, "longestSilenceSeconds": None, "async": None},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_edge_case_is_decided_as_the_page_says(case: str) -> None:
    lines, wanted = CASES[case]
    found = figures(*lines)
    assert {name: found[name] for name in wanted} == wanted
