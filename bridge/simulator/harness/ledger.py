"""The ledger: every event of the simulated chats as JSON lines, to compare with what was captured.

One line per event `{"kind":"event","sessionId":...,"eventId":...,"at":...,"event":{...}}` (the event as on the wire,
at ClientVersion 106) and one per session opened, restored and closed. `at` is seconds since 1970 UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from bridge.simulator.model.effects import EventAdded, SessionClosed, SessionOpened, SessionRestored
from bridge.transcript.events import ChatEvent

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from bridge.simulator.model.effects import Effect

_FLUSH_LINES: Final = 2_000


class LedgerLine(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One line. `at`: seconds since 1970 UTC; `lost`: event ids lost in a restoration; `next_id`: the id after it."""

    kind: Literal["opened", "event", "restored", "closed"]
    session_id: str
    at: float
    event_id: int | None = None
    event: ChatEvent | None = None
    start_at: str | None = None
    lost: list[int] = []
    next_id: int | None = None


class LedgerChat(msgspec.Struct):
    """One chat as the server knows it.

    `events` in the order they were added; an id occurs twice only after a restoration that reused it. `lost` are the
    ids of events that the server lost in a restoration.
    """

    session_id: str
    start_at: str = ""
    events: list[ChatEvent] = []
    closed: bool = False
    restorations: int = 0
    lost: list[int] = []


class Ledger:
    """An effect observer that writes the ledger. Lines are buffered until `flush` or `close`."""

    def __init__(self, path: Path) -> None:
        """`path` is overwritten."""
        self.path = path
        self._file: BinaryIO = path.open("wb")
        self._lines: list[bytes] = []
        self._encoder = msgspec.json.Encoder()

    def on_effect(self, effect: Effect, now: float) -> None:
        """Buffer the line of an effect on a session; other effects are ignored."""
        match effect:
            case EventAdded(session_id, event):
                line = LedgerLine("event", session_id, now, event.event_id, event)
            case SessionOpened(session_id=session_id, start_at=start_at):
                line = LedgerLine("opened", session_id, now, start_at=start_at)
            case SessionRestored(session_id, lost, next_id):
                line = LedgerLine("restored", session_id, now, lost=lost, next_id=next_id)
            case SessionClosed(session_id):
                line = LedgerLine("closed", session_id, now)
            case _:
                return
        self._lines.append(self._encoder.encode(line))
        if len(self._lines) >= _FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Write buffered lines so that other processes can read them."""
        if self._lines:
            self._file.write(b"\n".join(self._lines) + b"\n")
            self._lines.clear()
            self._file.flush()

    def close(self) -> None:
        """Flush and close the file."""
        self.flush()
        self._file.close()


def visible_to_monitor(event: ChatEvent) -> bool:
    """Return whether a silent monitor in the session is sent this event: direct messages are not (D2)."""
    return event.receiver_id is None


def read_ledger(path: Path) -> dict[str, LedgerChat]:
    """Return the chats of a ledger by session id. A last line that is still being written is left out."""
    decoder = msgspec.json.Decoder(LedgerLine)
    chats: dict[str, LedgerChat] = {}
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            entry = decoder.decode(line)
            chat = chats.setdefault(entry.session_id, LedgerChat(entry.session_id))
            if entry.kind == "event" and entry.event is not None:
                chat.events.append(entry.event)
            elif entry.kind == "opened":
                chat.start_at = entry.start_at or ""
            elif entry.kind == "restored":
                chat.restorations += 1
                chat.lost += entry.lost
            elif entry.kind == "closed":
                chat.closed = True
    return chats
