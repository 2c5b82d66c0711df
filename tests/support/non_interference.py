"""Non-interference (P4): what clients requested and caused, from the summaries and journals of Chat Servers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bridge.chatserver.messages import KEEP_ALIVE
from bridge.transcript.events import VIP

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

ALLOWED_REQUESTS: Final = frozenset({"RequestRegister", "RequestJoin", "RequestReleaseParty", "Ping", "Pong"})
ALLOWED_EFFECTS: Final = frozenset({"newParty VIP", "partyLeft VIP"})


def interference(
    summaries: Iterable[dict[str, Any]], journals: Iterable[Path], *, customers: Collection[str] = ()
) -> list[str]:
    """Return every request or effect that a silent monitor must not have; empty when there is none.

    Journal entries of clients with the nicknames of `customers` are ignored.
    """
    found: list[str] = []
    for summary in summaries:
        found += [f"a client requested {name}" for name in summary["requests"].keys() - ALLOWED_REQUESTS]
        found += [f"a client caused {name}" for name in summary["caused"].keys() - ALLOWED_EFFECTS]
    for journal in journals:
        with journal.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n") and (entry := json.loads(line))["nickname"] not in customers:
                    found += _findings_in(entry)
    return found


def _findings_in(line: dict[str, Any]) -> list[str]:
    found = [
        f"{line.get('request', 'a lost connection')} caused {name}"
        for name in line.get("caused", {}).keys() - ALLOWED_EFFECTS
    ]
    match line.get("request"):
        case None | "RequestRegister" | "Ping" | "Pong":
            pass
        case "RequestJoin":
            if line.get("visibility") != VIP or not line.get("session_id"):
                found.append(f"a join that is not silent, or of no session: {line}")
        case "RequestReleaseParty":
            if line.get("after_action", KEEP_ALIVE) != KEEP_ALIVE or line.get("user_id"):
                found.append(f"a release of another party or without KeepAlive: {line}")
        case other:
            found.append(f"a client requested {other}")
    return found
