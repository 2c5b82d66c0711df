"""The stored side of simulated chats: a transcript for each chat that ended, made from the ledger of its server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from bridge.archive.ucs_xml import write
from bridge.simulator.harness.ledger import LedgerLine
from bridge.transcript.events import TYPING_STARTED, TYPING_STOPPED, ChatTranscript

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bridge.transcript.events import ChatEvent

_TYPING = (TYPING_STARTED, TYPING_STOPPED)


def stored_side(ledgers: Iterable[Path]) -> dict[str, tuple[str, list[ChatEvent]]]:
    """Return session id -> (startAt, what is stored) of each chat that ended.

    Typing is not stored, and what a server lost in a fail-over is not there, also where an id was used again.
    """
    decoder = msgspec.json.Decoder(LedgerLine)
    begun: dict[str, tuple[str, list[ChatEvent]]] = {}
    ended: dict[str, tuple[str, list[ChatEvent]]] = {}
    for path in ledgers:
        for line in path.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            one = decoder.decode(line)
            start_at, events = begun.setdefault(one.session_id, ("", []))
            if one.kind == "opened":
                begun[one.session_id] = one.start_at or start_at, events
            elif one.kind == "event" and one.event is not None:
                events.append(one.event)
            elif one.kind == "restored":
                lost = set(one.lost)
                events[:] = [event for event in events if event.event_id not in lost]
            elif one.kind == "closed":
                ended[one.session_id] = begun[one.session_id]
    return {name: (at, [one for one in events if not _is_typing(one)]) for name, (at, events) in ended.items()}


def write_stored_side(ledgers: Iterable[Path], folder: Path, *, direct: bool = True) -> int:
    """Write a file for each chat that ended; return how many there are. `direct`: with direct messages."""
    folder.mkdir(parents=True, exist_ok=True)
    chats = stored_side(ledgers)
    for session_id, (start_at, events) in chats.items():
        kept = [event for event in events if direct or event.receiver_id is None]
        text = write(ChatTranscript(session_id, start_at, chat_event_list=kept))
        (folder / f"{session_id}.xml").write_bytes(text)
    return len(chats)


def _is_typing(event: ChatEvent) -> bool:
    return event.notice_text is not None and event.notice_text.notice_type in _TYPING
