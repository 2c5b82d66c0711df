"""Summaries of the closing records, compared with those that the ledger's events give by the naive implementation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.simulator.harness.ledger import read_ledger, visible_to_monitor
from tests.support.oracle import closed_sessions
from tests.transcript.summary_chats import expected, same_figures

if TYPE_CHECKING:
    from pathlib import Path


_DOUBTS: Final = ("approximate", "approximateReasons")
"""The ledger does not know what the bridge cannot see: a history lacks the typing of the time when nobody watched."""


def _figures(summary: dict[str, Any] | str) -> dict[str, Any]:
    return {} if isinstance(summary, str) else {name: one for name, one in summary.items() if name not in _DOUBTS}


def wrong_summaries(bootstrap_servers: str, prefix: str, ledger: Path) -> list[str]:
    """Return the chats that ended and whose summary is missing or wrong, with both."""
    closed, wrong = closed_sessions(bootstrap_servers, prefix), []
    for session_id, chat in read_ledger(ledger).items():
        if chat.closed:
            wanted = expected([event for event in chat.events if visible_to_monitor(event)])
            assert not isinstance(wanted, str)
            found = (closed.get(session_id) or {}).get("summary") or {}
            if not same_figures(_figures(found), _figures(wanted)):
                names = [name for name in _figures(wanted) if found.get(name) != wanted[name]]
                told = "; ".join(f"{name}: {found.get(name)}, not {wanted[name]}" for name in names)
                wrong.append(f"{session_id}: {told}")
    return wrong
