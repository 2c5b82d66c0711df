"""P4 on the Chat Servers' own word: what clients asked for, and what that changed in the chats."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from bridge.chatserver.messages import KEEP_ALIVE
from bridge.transcript.events import VIP

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

ASKED: Final = frozenset({"RequestRegister", "RequestJoin", "RequestReleaseParty", "Ping", "Pong"})
CAUSED: Final = frozenset({"newParty VIP", "partyLeft VIP"})


def interference(
    summaries: Iterable[dict[str, Any]], journals: Iterable[Path], *, customers: Collection[str] = ()
) -> list[str]:
    """Return every sign that somebody's chat was disturbed; nothing when none was.

    What clients with the nicknames of `customers` did is in the journals, too, and theirs to do.
    """
    found: list[str] = []
    for summary in summaries:
        found += [f"a client asked {name}" for name in summary["requests"].keys() - ASKED]
        found += [f"a client caused {name}" for name in summary["caused"].keys() - CAUSED]
    for journal in journals:
        with journal.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n") and (told := json.loads(line))["nickname"] not in customers:
                    found += _wrong_in(told)
    return found


def _wrong_in(line: dict[str, Any]) -> list[str]:
    found = [f"{line.get('request', 'a lost link')} caused {name}" for name in line.get("caused", {}).keys() - CAUSED]
    match line.get("request"):
        case None | "RequestRegister" | "Ping" | "Pong":
            pass
        case "RequestJoin":
            if line.get("visibility") != VIP or not line.get("session_id"):
                found.append(f"a join that is not silent, or of no session: {line}")
        case "RequestReleaseParty":
            if line.get("after_action", KEEP_ALIVE) != KEEP_ALIVE or line.get("user_id"):
                found.append(f"a release that is not one's own with KeepAlive: {line}")
        case other:
            found.append(f"a client asked {other}")
    return found
