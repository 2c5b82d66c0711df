"""Compares a captured chat with its stored transcript by the expected-difference rules, and names its class.

Events are matched by id. What does not agree under its id is looked for under other ids, by kind, author, second and
text: ids that a site stores otherwise than it sends them show so, rather than as lost and invented events.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from bridge.chatserver.versions import carries_event
from bridge.reconciliation import differences as codes
from bridge.reconciliation.differences import Difference
from bridge.reconciliation.event_comparison import (
    deleted_files,
    event_differences,
    identity_of,
    is_typing,
    notice_type_of,
    text_of,
    texts_agree,
)
from bridge.records.chat_events import chat_event
from bridge.transcript.bounds import LOST
from bridge.transcript.entries import GAP
from bridge.transcript.events import ALL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.reconciliation.captured_chat import CapturedChat
    from bridge.reconciliation.event_comparison import Record

MATCHED: Final = "matched"
FILLED: Final = "filled"
MISSING: Final = "missing"
NEVER_SEEN: Final = "never_seen"
UNEXPLAINED: Final = "unexplained"
NOT_STORED: Final = "not_stored"
NO_TEXT: Final = "no_text"
RUNNING: Final = "running"

CLASSES: Final = {
    MATCHED: "Captured and stored agree, but for what is expected.",
    FILLED: "As matched; some of its events came from the stored transcript.",
    MISSING: "The stored transcript has events that were not captured, and the records say that they are missing.",
    NEVER_SEEN: "Stored, or at least a row in UCS, and nothing of it was captured.",
    UNEXPLAINED: "There is a difference that nothing explains.",
    NOT_STORED: "Captured to its end, and no stored transcript was found.",
    NO_TEXT: "UCS gives no text of it, and the records say so: nothing of it was captured, or its end is missing.",
    RUNNING: "Not over; no final stored transcript was found.",
}
"""Class of a chat -> what it means."""


@dataclass(slots=True)
class StoredChatContents:
    """The stored transcript of a chat: its records with origin ARCHIVE, GAPs for what its damage has cost among them.

    `ids` are the event ids of each copy in the order in which the copy has them.
    """

    records: Sequence[Record]
    ids: Sequence[Sequence[int]] = ()


@dataclass(slots=True)
class ChatComparison:
    """What was found of one chat. `agreeing` counts events with the same id, text, second and author on both sides.

    `shifted` counts the same events under other ids. `missing` counts stored events that were not captured.
    """

    session_id: str
    result: str
    differences: list[Difference] = field(default_factory=list)
    sites: frozenset[str] = frozenset()
    captured: int = 0
    stored: int = 0
    agreeing: int = 0
    shifted: int = 0
    missing: int = 0

    @property
    def unexplained(self) -> list[Difference]:
        """The differences that nothing explains."""
        return [one for one in self.differences if one.is_unexplained]

    @property
    def by_code(self) -> Counter[str]:
        """How many differences there are of each code."""
        return Counter(one.code for one in self.differences)

    @property
    def can_be_filled(self) -> bool:
        """Whether the stored transcript has something that was not captured."""
        return self.missing > 0


def compare_chat(
    captured: CapturedChat, stored: StoredChatContents | None, *, row_over: bool | None = None
) -> ChatComparison:
    """Compare one chat; `stored` None: no stored transcript of it was found.

    `row_over`: it has a row without a text then, which says whether it is over; None: it has none.
    """
    found = ChatComparison(captured.session_id, MATCHED, sites=frozenset(captured.sites))
    found.captured = len(captured.last())
    if stored is None:
        if captured.lacks_stored_text or (row_over and not captured.is_known):
            found.differences.append(Difference(codes.NO_STORED_TEXT))
            found.result = NO_TEXT if captured.is_known else NEVER_SEEN
        else:
            found.result = NOT_STORED if captured.is_closed else RUNNING
        return found
    _Matching(captured, stored, found).run()
    if not captured.is_known:
        found.result = NEVER_SEEN
    elif found.unexplained:
        found.result = UNEXPLAINED
    elif any(one.code == codes.MISSING_IN_GAP for one in found.differences):
        found.result = MISSING
    elif captured.was_filled:
        found.result = FILLED
    return found


class _Matching:
    """Finds the differences of one chat."""

    def __init__(self, captured: CapturedChat, stored: StoredChatContents, found: ChatComparison) -> None:
        self._chat = captured
        self._captured = captured.last()
        self._stored = {record["eventId"]: record for record in stored.records if record["eventId"] is not None}
        self._losses = [record["gap"] for record in stored.records if record["kind"] == GAP]
        self._ids = stored.ids
        self._version = captured.client_version
        self._start_at = next((record["session"]["startAt"] for record in stored.records), None)
        self._deleted = deleted_files([*self._stored.values(), *self._captured.values()])
        self._found = found
        found.stored = len(self._stored)

    def run(self) -> None:
        only_captured, only_stored = self._match_by_id()
        if not self._chat.is_known:
            self._found.missing = len(only_stored)
            return
        self._match_by_content(only_captured, only_stored)
        self._compare_whole()
        tails = self._chat.tails(set(only_captured))
        for event_id in sorted(only_captured.keys() & only_stored.keys()):
            # What a fail-over has lost was captured; its id was used again, for what a monitor is not sent.
            if event_id not in tails or self._code_of_stored(event_id, only_stored[event_id]) not in codes.EXPECTED:
                self._other_under(event_id, only_captured.pop(event_id), only_stored.pop(event_id))
        for event_id, record in sorted(only_stored.items()):
            self._found.missing += 1
            self._say(self._code_of_stored(event_id, record), event_id)
        tails = self._chat.tails(set(only_captured))
        for event_id, record in sorted(only_captured.items()):
            self._say(self._code_of_captured(event_id, record, tails), event_id)
        for record in self._chat.replaced():
            self._say(codes.UNSAVED_TAIL, record["eventId"], "its id was used again")

    def _say(self, code: str, event_id: int | None = None, detail: str = "") -> None:
        self._found.differences.append(Difference(code, event_id, detail))

    def _match_by_id(self) -> tuple[dict[int, Record], dict[int, Record]]:
        """Compare what agrees under its id; return the other captured and stored events by id."""
        only_captured, only_stored = dict(self._captured), dict(self._stored)
        for event_id, record in self._stored.items():
            other = self._captured.get(event_id)
            if other is not None and identity_of(other) == identity_of(record) and texts_agree(other, record):
                del only_captured[event_id], only_stored[event_id]
                self._found.agreeing += 1
                self._found.differences += event_differences(other, record, self._deleted)
        return only_captured, only_stored

    def _match_by_content(self, only_captured: dict[int, Record], only_stored: dict[int, Record]) -> None:
        """Take the events out that are the same under different ids."""
        places: dict[tuple[object, ...], list[int]] = {}
        for event_id, record in sorted(only_captured.items(), reverse=True):
            places.setdefault(_content_of(record), []).append(event_id)
        for event_id, record in sorted(only_stored.items()):
            others = places.get(_content_of(record))
            if others:
                other = others.pop()
                del only_captured[other], only_stored[event_id]
                self._found.shifted += 1
                self._say(codes.ID_SHIFTED, event_id, f"captured under {other}")

    def _compare_whole(self) -> None:
        started = self._chat.start_at
        if None not in (started, self._start_at) and started != self._start_at:
            self._say(codes.START_AT)
        late = self._chat.out_of_order()
        if late is not None:
            self._say(codes.ORDER, late, "captured")
        for ids in self._ids:
            falls = next((after for before, after in pairwise(ids) if after < before), None)
            if falls is not None:
                self._say(codes.ORDER, falls, "stored")
                break

    def _other_under(self, event_id: int, captured: Record, stored: Record) -> None:
        if identity_of(captured) == identity_of(stored):
            self._say(codes.TEXT_CHANGED, event_id)
        elif LOST in repr(stored):
            self._say(codes.STORED_DAMAGED, event_id)
        else:
            self._say(codes.OTHER_EVENT, event_id)

    def _code_of_stored(self, event_id: int, record: Record) -> str:
        if record["receiverId"] is not None:
            return codes.DIRECT_STORED_ONLY
        event = chat_event(record)
        if event is not None and self._version is not None and not carries_event(event, self._version):
            return codes.WITHHELD_LIVE
        return codes.MISSING_IN_GAP if self._chat.says_missing(event_id) else codes.EVENT_LOST

    def _code_of_captured(self, event_id: int, record: Record, tails: set[int]) -> str:
        if is_typing(record):
            return codes.TYPING_LIVE_ONLY
        if record["visibility"] not in (None, ALL):
            return codes.RESTRICTED_LIVE_ONLY
        if self._is_lost_there(event_id):
            return codes.STORED_DAMAGED
        return codes.UNSAVED_TAIL if event_id in tails else codes.EVENT_NOT_STORED

    def _is_lost_there(self, event_id: int) -> bool:
        """Tell whether the damage of the stored transcript may have cost this event."""
        return any(
            (gap["fromEventId"] is None or event_id >= gap["fromEventId"])
            and (gap["toEventId"] is None or event_id <= gap["toEventId"])
            for gap in self._losses
        )


def _content_of(record: Record) -> tuple[object, ...]:
    return (*identity_of(record), notice_type_of(record), text_of(record))
