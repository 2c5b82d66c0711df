"""Tests of `interference`: it finds what disturbs a chat, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bridge.chatserver.messages import FORCE_CLOSE, KEEP_ALIVE
from tests.support.non_interference import interference

if TYPE_CHECKING:
    from pathlib import Path

HARMLESS: list[dict[str, Any]] = [
    {"request": "RequestRegister", "caused": {}},
    {"request": "RequestJoin", "session_id": "S", "visibility": "VIP", "caused": {"newParty VIP": 1}},
    {"request": "RequestReleaseParty", "session_id": "S", "after_action": KEEP_ALIVE, "caused": {"partyLeft VIP": 1}},
    {"request": "Ping", "caused": {}},
    {"disconnected": True, "caused": {"partyLeft VIP": 1}},
    {"dropped": "half open"},
]
HARMFUL: list[dict[str, Any]] = [
    {"request": "RequestMessage", "session_id": "S", "caused": {"message ALL": 1}},
    {"request": "RequestNotify", "session_id": "S", "caused": {}},
    {"request": "unreadable"},
    {"request": "RequestJoin", "session_id": "S", "visibility": "ALL", "caused": {"newParty ALL": 1}},
    {"request": "RequestJoin", "visibility": "VIP", "caused": {"opened": 1, "newParty VIP": 1}},
    {"request": "RequestReleaseParty", "session_id": "S", "after_action": FORCE_CLOSE, "caused": {"closed": 1}},
    {"request": "RequestReleaseParty", "session_id": "S", "after_action": KEEP_ALIVE, "user_id": "U", "caused": {}},
    {"disconnected": True, "caused": {"partyLeft ALL": 1, "closed": 1}},
]


def journal(folder: Path, nickname: str, lines: list[dict[str, Any]]) -> Path:
    path = folder / "chat-server.journal"
    path.write_text("".join(json.dumps({"nickname": nickname, **line}) + "\n" for line in lines), encoding="utf-8")
    return path


def test_what_a_silent_monitor_does_is_no_harm(tmp_path: Path) -> None:
    assert interference([], [journal(tmp_path, "bridge", HARMLESS)]) == []


@pytest.mark.parametrize("line", HARMFUL, ids=str)
def test_what_others_could_notice_is_found(tmp_path: Path, line: dict[str, Any]) -> None:
    assert interference([], [journal(tmp_path, "bridge", [*HARMLESS, line])]) != []


def test_what_a_customer_does_is_the_customers_business(tmp_path: Path) -> None:
    path = journal(tmp_path, "customer", HARMFUL)
    assert interference([], [path], customers={"customer"}) == []
    assert len(interference([], [path])) >= len(HARMFUL)


def test_the_counts_of_a_server_are_believed_without_a_journal() -> None:
    assert interference([{"requests": {"RequestJoin": 1}, "caused": {"newParty VIP": 1}}], []) == []
    assert len(interference([{"requests": {"RequestMessage": 1}, "caused": {"message ALL": 1}}], [])) == 2
