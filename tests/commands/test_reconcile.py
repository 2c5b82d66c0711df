"""`chatbridge reconcile` without Kafka: what it keeps of the topics, its reports, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from bridge.commands.captured_spool import CapturedSpool
from bridge.commands.reconcile_report import ReconcileReport
from bridge.reconciliation.captured_chat import CapturedChat
from bridge.reconciliation.comparison import ChatComparison, compare_chat
from bridge.transcript.entries import COMPLETE
from tests.reconciliation.both_sides import CHAT, InventedChat, captured_from, stored_from, stored_image
from tests.reconciliation.test_comparison import PLAIN
from tests.test_cli import chatbridge

if TYPE_CHECKING:
    from bridge.commands.backfill_report import ReportForm

CERTIFICATE = {"verdict": COMPLETE, "reasons": [], "head": bytes(32)}


def session(state: str, certificate: dict[str, Any] | None = None, chat: str = CHAT) -> dict[str, Any]:
    return {"sessionId": chat, "state": state, "certificate": certificate}


def compared(*, lost: bool = False) -> ChatComparison:
    captured = captured_from(PLAIN, unseen=frozenset((3,)) if lost else frozenset())
    return compare_chat(CapturedChat(CHAT, captured, CERTIFICATE), stored_from(*stored_image(InventedChat(PLAIN))))


def test_the_spool_gives_each_chat_in_the_order_of_its_chain_and_the_others_at_the_end() -> None:
    records = captured_from(PLAIN)
    with CapturedSpool() as spool:
        spool.take_sessions([session("OPENED"), session("CLOSED", CERTIFICATE), session("OPENED", chat="other")])
        spool.take_events(reversed(records))
        assert spool.count == 2
        chat = spool.chat(CHAT)
        assert (list(chat.records), chat.certificate) == (records, CERTIFICATE)
        assert not spool.chat("absent").is_known
        [other] = spool.others()
        assert (other.session_id, other.is_closed, other.is_known) == ("other", False, True)


def test_a_chat_that_began_again_is_not_closed() -> None:
    with CapturedSpool() as spool:
        spool.take_sessions([session("CLOSED", CERTIFICATE), session("OPENED")])
        assert not spool.chat(CHAT).is_closed


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_each_form_of_the_report_names_what_is_unexplained(
    form: ReportForm, capsys: pytest.CaptureFixture[str]
) -> None:
    report = ReconcileReport(form)
    report.add(compared(), sent=False)
    report.add(compared(lost=True), sent=True)
    report.end(refused=0, unread=0)
    told = capsys.readouterr().out
    assert report.has_findings
    if form == "json":
        first, second, last = [json.loads(line) for line in told.splitlines()]
        assert first["chat"]["class"] == "matched"
        assert second["chat"]["unexplained"] == [{"code": "EVENT_LOST", "eventId": 3, "detail": ""}]
        assert last["summary"]["sites"] == {
            "main": {"ids": "agree", "chats": 2, "agreeing": 11, "shifted": 0, "contradicting": 0}
        }
    elif form == "csv":
        rows = list(csv.DictReader(io.StringIO(told)))
        assert [(row["class"], row["sent"], row["unexplained"]) for row in rows] == [
            ("matched", "False", ""),
            ("unexplained", "True", "EVENT_LOST 3"),
        ]
    else:
        assert f"unexplained  {CHAT}" in told
        assert "  EVENT_LOST event 3" in told
        assert "matched  " not in told
        assert "2 chats: 1 matched, 1 unexplained, 1 sent to be filled" in told
        assert "site main: the ids of captured and stored events agree (11 agree, 0 do not)" in told


def test_what_is_missing_and_was_not_sent_is_a_finding() -> None:
    never = compare_chat(CapturedChat(CHAT, is_known=False), stored_from(*stored_image(InventedChat(PLAIN))))
    for sent in (False, True):
        report = ReconcileReport("json")
        report.add(never, sent=sent)
        assert report.has_findings is not sent


@pytest.mark.parametrize("words", ["ucs", "ucs --since 2031-01-01", "a.xml --ucs-url sqlite://", "a.xml --since never"])
def test_what_does_not_go_together_is_refused_by_reconcile(words: str) -> None:
    assert chatbridge("reconcile", *words.split()).returncode == 2
