"""How a chat ended, and its summary, as the records of its events tell: computed again, and compared with what is said.

Both are functions of events (docs/summary-of-a-chat.md, docs/certificate.md), and the records hold what they need: of a
chat whose first record is there, nothing was withdrawn from it, and nothing that counts was taken out by a rule or
sealed: of a sealed output only the end is judged. Pure; some 40 bytes per event that counts, until the last certificate
of the chat was compared.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from bridge.records.summary_record import summary_fields
from bridge.sealing.chat_seal import may_be_opened
from bridge.transcript import endings, link_codes
from bridge.transcript import event_outlines as shapes
from bridge.transcript.entries import ID_REUSED, INCOMPLETE, MESSAGE, NOTICE, PARTY_JOINED, PARTY_LEFT, Party
from bridge.transcript.event_outlines import Outline
from bridge.transcript.events import (
    ALL,
    IDLE_CONTROL_CLOSE,
    SYSTEM,
    USER_TYPES,
)
from bridge.transcript.gap_codes import LISTS_LEFT_OUT, OUTGROWN, WITHDRAWN
from bridge.transcript.parties import MAX_PARTIES
from bridge.transcript.summary import DEFINITIONS, summarised
from bridge.transcript.summary_codes import EVENTS_MISSING, IDS_REUSED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from bridge.transcript.entries import Gap

    Record = dict[str, Any]

_PACKED: Final = Struct("<qqiibiq")
"""Event id, time, characters, place of the author, shape, place of the asker, code."""
_NO_SHAPE: Final = -1
_NO_CODE: Final = -(1 << 63)
_MOST_CHARACTERS: Final = 50_000
"""Of all names together; of chats with more, the bridge may not have remembered every party."""
_DIGIT: Final = 9
_OVER: Final = frozenset((endings.CLOSED, endings.IDLE))
_AWAY: Final = {link_codes.REMOVED: endings.REMOVED, link_codes.ANNOUNCED_ELSEWHERE: endings.RESTORED_ELSEWHERE}


class RecordedFigures:
    """What the records of one epoch tell; `add` each from the first one on, in the order of their sequence."""

    def __init__(self) -> None:
        """Begin before the first record."""
        self._events = bytearray()
        self._places: dict[str, int] = {}
        self._joined: dict[str, tuple[int, Party]] = {}
        self._characters = 0
        self._closing: tuple[int, str, str | None, str | None] | None = None
        self._lengths_known = True
        self._attributes_known = True
        self._people_known = True

    def add(self, record: Record) -> None:
        """Take the next record."""
        number = record["eventId"]
        if number is None:
            return
        self._hidden(record)
        kind = record["kind"]
        if kind == MESSAGE:
            self._say(record)
        elif kind == PARTY_JOINED:
            self._join(record)
        elif kind == PARTY_LEFT:
            if record["departure"] is not None:
                self._leave(record)
            return
        elif kind == NOTICE:
            self._notice(record)
            if record["notice"] is not None and record["notice"]["noticeType"] == IDLE_CONTROL_CLOSE:
                self._may_end(number, endings.IDLE, _user_of(record))
                return
        elif record["amendment"] is not None:
            self._put(record, _NO_SHAPE)
        if self._closing is not None and number >= self._closing[0]:
            self._closing = None

    def _say(self, record: Record) -> None:
        message = record["message"]
        said = record["visibility"] == ALL and record["receiverId"] is None
        characters = 0
        if message is not None:
            said = said and message["treatAs"] != SYSTEM
            characters = len(message["text"])
        self._put(record, shapes.SAID if said else shapes.NOTED, characters)

    def _hidden(self, record: Record) -> None:
        """Note what a rule has taken out of a record, and what is sealed there."""
        if self._people_known and _is_sealed(record):
            self._lengths_known = self._people_known = False
        for one in record["redactions"]:
            name = one["field"]
            if name.startswith(("message.", "notice.")):
                self._lengths_known = False
                self._people_known = self._people_known and record["kind"] != NOTICE
            elif name.startswith("party.personId") or (name.startswith("userData") and record["kind"] == PARTY_JOINED):
                self._people_known = False
            elif name.startswith("eventAttributes"):
                self._attributes_known = False

    def _put(self, record: Record, shape: int, characters: int = 0, asker: int = 0, code: int = _NO_CODE) -> None:
        if record["amendment"] == ID_REUSED:
            return
        at, party = record["timeShift"], record["party"]
        user_id = "" if party is None else party["userId"]
        place = self._places.get(user_id) or self._place(user_id)
        at = at if at is not None and at > 0 else 0
        self._events += _PACKED.pack(record["eventId"], at, characters, place, shape, asker, code)

    def _place(self, user_id: str) -> int:
        place = self._places.get(user_id)
        if place is None:
            place = self._places[user_id] = len(self._places) + 1
            self._characters += len(user_id)
        return place

    def _join(self, record: Record) -> None:
        party, number = record["party"], record["eventId"]
        if party is not None and party["userType"] is not None:
            before = self._joined.get(party["userId"])
            if before is None or number >= before[0]:
                known = Party(
                    user_id=party["userId"],
                    user_type=party["userType"],
                    person_id=party["personId"],
                    bot=party["bot"] or None,
                )
                self._joined[party["userId"]] = number, known
                self._characters += sum(len(party[name] or "") for name in ("nickname", "userType", "personId"))
        shape = shapes.JOINS.get(record["visibility"], shapes.JOINED_HIDDEN)
        if shape == shapes.JOINED and record["userData"].get(shapes.ASYNC_MODE) == "true":
            shape = shapes.JOINED_ASYNC
        self._put(record, shape, _length(record))

    def _leave(self, record: Record) -> None:
        told, user_id, number = record["departure"], _user_of(record), record["eventId"]
        reason, quitting = told["reasonCode"], told["quitReasonCode"]
        asker = told["askerId"] or user_id
        code, characters = reason, _length(record)
        if code is None and quitting is not None and 0 <= quitting <= _DIGIT:
            code = quitting
        if asker == user_id and code is None and not characters:
            self._put(record, shapes.LEFT)
        else:
            place = self._place(asker)
            self._put(record, shapes.LEFT_BECAUSE, characters, place, _NO_CODE if code is None else code)
        if reason is None:
            if self._closing is None and told["reasonText"] is None:
                return
            reason = quitting
            if reason in endings.CLOSES:
                return
        if reason in endings.CLOSES:
            self._may_end(number, endings.CLOSED, user_id)
        elif reason == endings.STOPPED:
            self._may_end(number, endings.CLOSED, None)
        elif reason == endings.INACTIVE:
            self._may_end(number, endings.IDLE, asker)

    def _may_end(self, number: int, ending: str, user_id: str | None) -> None:
        if self._closing is not None and number < self._closing[0]:
            return
        known = None if user_id is None else self._joined.get(user_id)
        user_type = known[1].user_type if known is not None and known[1].user_type in USER_TYPES else None
        self._closing = number, ending, user_id, user_type

    def _notice(self, record: Record) -> None:
        shape = _shape_of_notice(record)
        if shape != _NO_SHAPE or record["amendment"] is not None:
            self._put(record, shape)

    # --- a certificate -------------------------------------------------------------------------------------------

    def disagreements(self, told: Record, summary: Record | None, gaps: Collection[Gap]) -> Iterator[str]:
        """Yield what a certificate and its summary say that the records do not; `gaps` are those of the topic so far.

        Only what the records can tell is judged: of the first epoch, and of a chat that lost nothing to the quarantine.
        """
        yield from _of_ending(told)
        if told["epoch"] or any(gap.code in WITHDRAWN for gap in gaps):
            return
        if told["sinceOpening"] and told["ending"] in _OVER and self._attributes_known:
            by = (endings.CLOSED, None, None) if self._closing is None else self._closing[1:]
            said = (told["ending"], told["endedBy"], told["endedByType"])
            if said != by:
                yield f"says ending, endedBy and endedByType {_shown(said)}, its events say {_shown(by)}"
        if summary is not None and summary["definitions"] == DEFINITIONS and self._tells_figures():
            yield from self._of_summary(told, summary)

    def _tells_figures(self) -> bool:
        room = len(self._places) < MAX_PARTIES and self._characters < _MOST_CHARACTERS
        return room and self._people_known and self._attributes_known

    def _of_summary(self, told: Record, summary: Record) -> Iterator[str]:
        parties = [
            self._joined[user_id][1] if user_id in self._joined else Party(user_id=user_id) for user_id in self._places
        ]
        outlines = self._outlines()
        expected = summarised(outlines, parties)
        if told["verdict"] == INCOMPLETE and LISTS_LEFT_OUT not in told["reasons"]:
            expected.approximate_reasons.append(EVENTS_MISSING)
        elif EVENTS_MISSING in summary["approximateReasons"] and LISTS_LEFT_OUT in told["reasons"]:
            expected.approximate_reasons.append(EVENTS_MISSING)  # the certificate does not say whether it was so before
        expected.approximate_reasons += [IDS_REUSED] if told["idsReused"] else []
        expected.approximate_reasons.sort()
        figures, said = summary_fields(expected), dict(summary)
        if not self._lengths_known:
            for one in (figures, said):
                roles = one["byUserType"].items()
                one["byUserType"] = {role: {"messages": told["messages"]} for role, told in roles}
        for name, figure in figures.items():
            if said.get(name) != figure:
                yield f"comes with a summary that says {name} {said.get(name)}, its events say {figure}"

    def _outlines(self) -> list[Outline]:
        found: dict[int, Outline] = {}
        for number, at, characters, place, shape, asker, code in _PACKED.iter_unpack(self._events):
            if shape == _NO_SHAPE:
                found.pop(number, None)
            else:
                why = None if code == _NO_CODE else code
                found[number] = Outline(number, shape, at, place, characters, asker, why)
        return [found[number] for number in sorted(found)]


def _of_ending(told: Record) -> Iterator[str]:
    """Yield what the ending of a certificate cannot be by its other fields."""
    ending, reasons = told["ending"], told["reasons"]
    if ending is None:
        return
    if ending not in _OVER and (told["endedBy"], told["endedByType"]) != (None, None):
        yield f"says ending {ending} and endedBy {told['endedBy']}"
    if OUTGROWN in reasons and ending != endings.LOST:
        yield f"says ending {ending} with the reason {OUTGROWN}"
    if told["sinceOpening"] and ending in _AWAY.values() and not told["unwatchedMore"]:
        last = told["unwatched"][-1] if told["unwatched"] else None
        if last is None or last["to"] is not None or _AWAY.get(last["code"]) != ending:
            yield f"says ending {ending}, unlike the last interval in unwatched"


def _is_sealed(record: Record) -> bool:
    """Tell whether something is sealed that figures depend on."""
    message, notice, party, data = record["message"], record["notice"], record["party"], record["userData"]
    return (
        (message is not None and may_be_opened(message["text"]))
        or (party is not None and party["personId"] is not None and may_be_opened(party["personId"]))
        or (notice is not None and may_be_opened(notice["text"]))
        or (bool(data) and may_be_opened(data.get(shapes.ASYNC_MODE, "")))
    )


def _user_of(record: Record) -> str:
    party = record["party"]
    user_id: str = "" if party is None else party["userId"]
    return user_id


def _length(record: Record) -> int:
    return 0 if record["message"] is None else len(record["message"]["text"])


def _shape_of_notice(record: Record) -> int:
    notice, seen = record["notice"], record["visibility"] == ALL and record["receiverId"] is None
    shape = None if notice is None else shapes.shape_of_notice(notice["noticeType"], notice["text"], seen=seen)
    return _NO_SHAPE if shape is None else shape


def _shown(end: tuple[str | None, ...]) -> str:
    return ", ".join(str(one) for one in end)
