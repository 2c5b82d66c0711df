"""The oracle: what a Chat Server really said, chat by chat, as JSON lines.

One line per event `{"kind":"event","sessionId":...,"eventId":...,"at":...,"event":{...}}` (the event as on the wire,
at ClientVersion 106) and one per session opened, restored and closed. `at` is seconds since 1970 UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from bridge.simulator.model.effects import Closed, Opened, Restored, Said
from bridge.transcript.events import ChatEvent

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from bridge.simulator.model.effects import Effect

_FLUSH_LINES: Final = 2_000


class LedgerLine(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One line. `lost` are the event ids that a restoration forgot, `next_id` where it goes on."""

    kind: Literal["opened", "event", "restored", "closed"]
    session_id: str
    at: float
    event_id: int | None = None
    event: ChatEvent | None = None
    start_at: str | None = None
    lost: list[int] = []
    next_id: int | None = None


class LedgerChat(msgspec.Struct):
    """One chat as it was said.

    `events` in the order they happened; an id occurs twice only after a restoration that gave it again. `lost` are ids
    of events that happened and that the server itself then forgot.
    """

    session_id: str
    start_at: str = ""
    events: list[ChatEvent] = []
    closed: bool = False
    restorations: int = 0
    lost: list[int] = []


class Ledger:
    """A witness that writes. Lines reach the file when `flush` is called (a timer does), and on close."""

    def __init__(self, path: Path) -> None:
        """`path` is written anew."""
        self.path = path
        self._file: BinaryIO = path.open("wb")
        self._lines: list[bytes] = []
        self._encoder = msgspec.json.Encoder()

    def see(self, effect: Effect, now: float) -> None:
        """Write down what happened to a session."""
        match effect:
            case Said(session_id, event):
                line = LedgerLine("event", session_id, now, event.event_id, event)
            case Opened(session_id=session_id, start_at=start_at):
                line = LedgerLine("opened", session_id, now, start_at=start_at)
            case Restored(session_id, lost, next_id):
                line = LedgerLine("restored", session_id, now, lost=lost, next_id=next_id)
            case Closed(session_id):
                line = LedgerLine("closed", session_id, now)
            case _:
                return
        self._lines.append(self._encoder.encode(line))
        if len(self._lines) >= _FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Let other processes read what has happened."""
        if self._lines:
            self._file.write(b"\n".join(self._lines) + b"\n")
            self._lines.clear()
            self._file.flush()

    def close(self) -> None:
        """Write the rest and end the file."""
        self.flush()
        self._file.close()


def visible_to_monitor(event: ChatEvent) -> bool:
    """Tell whether a silent monitor that is in the session is shown this event: direct messages are not (D2)."""
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
