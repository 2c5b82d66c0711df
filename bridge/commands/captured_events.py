"""What a demonstration has read from the events topic, compared with the ledger of its Chat Server. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_AWAITED: Final = "not waited for"
_NO_FAULTS: Final = frozenset({"chats", "events", NOT_AWAITED})


@dataclass(slots=True)
class CapturedEvents:
    """How often each record id was read, and the text of each event by (session id, event id)."""

    ids: Counter[str] = field(default_factory=Counter)
    texts: dict[tuple[str, int], str] = field(default_factory=dict)

    def note(self, event: Mapping[str, Any]) -> None:
        """Take one record, as the topic has it."""
        self.ids[event["id"]] += 1
        if event["eventId"] is not None and event["amends"] is None:
            text = event["message"]["text"] if event["message"] else ""
            self.texts[event["sessionId"], event["eventId"]] = text

    def compared(self, expected: Mapping[tuple[str, int], str], *, cut: bool) -> dict[str, int]:
        """Return what differs from the ledger, by name; `faults` tells which of the numbers must be 0.

        `cut`: the bridge was stopped while the chats went on. What a chat said after the last event that was read of
        it is not missing then, but not waited for; everything before it has to be there.
        """
        absent = expected.keys() - self.texts.keys()
        last: dict[str, int] = {}
        for session_id, event_id in self.texts:
            last[session_id] = max(event_id, last.get(session_id, 0))
        missing = {one for one in absent if not cut or one[1] < last.get(one[0], 0)}
        numbers = {
            "chats": len({session_id for session_id, _ in (self.texts if cut else expected)}),
            "events": len(self.texts),
            "missing": len(missing),
            "duplicates": sum(count - 1 for count in self.ids.values()),
            "invented": len(self.texts.keys() - expected.keys()),
            "altered": sum(1 for key, text in self.texts.items() if key in expected and expected[key] != text),
        }
        return numbers | ({NOT_AWAITED: len(absent) - len(missing)} if cut else {})


def faults(numbers: Mapping[str, int]) -> list[str]:
    """Return the names of the numbers that should be 0 and are not."""
    return [name for name, number in numbers.items() if number and name not in _NO_FAULTS]
