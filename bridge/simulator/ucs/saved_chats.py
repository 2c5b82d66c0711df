"""When Chat Server saves a chat, and what the row of its interaction then holds. Pure.

With `auto_save` 0 a transcript is written at the end only; with 1 and 2 it is also written after each message that is
submitted (protocol facts, section 5.5). What came after the last save is lost in a fail-over: it was sent live, and the
stored side never has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from bridge.simulator.model.effects import EventAdded, SessionClosed, SessionOpened, SessionRestored
from bridge.transcript.events import MESSAGE

if TYPE_CHECKING:
    from bridge.simulator.model.effects import Effect
    from bridge.simulator.ucs.stored_form import StoredForm
    from bridge.transcript.events import ChatEvent

IN_PROCESS: Final = 2
STOPPED: Final = 3
AUTO_SAVES: Final = (0, 1, 2)


@dataclass(slots=True, frozen=True)
class SavedRow:
    """What is written of a chat at one moment. Times in whole seconds since 1970 UTC; `text` None: none is stored."""

    session_id: str
    status: int
    start: int
    modified: int
    end: int | None = None
    text: str | None = None


@dataclass(slots=True)
class _SavedChat:
    start_at: str
    start: int
    events: list[ChatEvent] = field(default_factory=list)


class SavedChats:
    """The chats of a server, from the effects of its model. A chat is forgotten at its end."""

    def __init__(self, form: StoredForm, auto_save: int = 0) -> None:
        """`auto_save` is option transcript-auto-save: one of AUTO_SAVES."""
        self._form = form
        self._auto_save = auto_save
        self._chats: dict[str, _SavedChat] = {}

    def rows(self, effect: Effect, now: float) -> list[SavedRow]:
        """Return what is written because of an effect at `now`, seconds since 1970 UTC."""
        match effect:
            case SessionOpened(session_id=session_id, start_at=start_at):
                self._chats[session_id] = _SavedChat(start_at, int(now))
                return [SavedRow(session_id, IN_PROCESS, int(now), int(now))]
            case EventAdded(session_id, event) if session_id in self._chats:
                self._chats[session_id].events.append(event)
                if event.event_type != MESSAGE or not self._auto_save:
                    return []
                return [self._row(session_id, IN_PROCESS, now)]
            case SessionRestored(session_id, lost) if session_id in self._chats:
                chat = self._chats[session_id]
                gone = set(lost)
                chat.events = [event for event in chat.events if event.event_id not in gone]
            case SessionClosed(session_id) if session_id in self._chats:
                row = self._row(session_id, STOPPED, now)
                del self._chats[session_id]
                return [row]
        return []

    def _row(self, session_id: str, status: int, now: float) -> SavedRow:
        chat = self._chats[session_id]
        over = status == STOPPED
        text = self._form.text_of(session_id, chat.start_at, chat.events, final=over)
        return SavedRow(session_id, status, chat.start, int(now), int(now) if over else None, text)
