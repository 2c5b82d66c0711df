"""Numbers that one party splits over consecutive messages: a card's or an IBAN's.

The records of the parts that came before stay as they were published; what completes the number is redacted, and its
`Redaction` names them. A part whose number is completed by messages that are known already when its record is made
(`later_texts`) is redacted as well, and not named. What is remembered of a chat is what the last message of each party
may begin a number with (`detectors.beginnings`), and which messages were redacted, should they be told again with other
content.

Messages of a party count in the order of their ids; those of others may stand between. Where records come in another
order (a hole is filled later), the part that comes later is redacted only if its id is higher, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.records.detectors.beginnings import SPLIT_DETECTORS, may_begin
from bridge.records.detectors.plain_text import PlainText
from bridge.records.later_texts import completed_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bridge.records.detectors.beginnings import Beginning

MOST_NUMBERS: Final = 16
"""Numbers that are remembered of a chat, however many parties it has (P6)."""
_LONGEST_USER_ID: Final = 128


@dataclass(slots=True, frozen=True)
class SplitNumber:
    """What a party may have begun a number with.

    `records` are the ids of the records of its parts that are published, without the session's id and the colon;
    `event_id` is that of the last part. `stand_in` is what the check of the `detector` needs of them. `completed_by` is
    the id of the event that completed it; None as long as the party's next message may.

    One that is completed by its own last part says that this part was redacted: `stand_in` is then that of the parts
    before it, empty if it was the first.
    """

    user_id: str
    detector: str
    stand_in: str
    records: tuple[str, ...]
    event_id: int
    completed_by: int | None = None


SplitNumbers = tuple[SplitNumber, ...]
"""Those of one chat in one output, the oldest first."""


class SplitRule(NamedTuple):
    """The rule about a detector's numbers: its name, and what it puts in the place of one."""

    name: str
    replace: Callable[[str], str]


class Said(NamedTuple):
    """A message. `record` is the id of its record as in `SplitNumber.records`; `again`: it was told before."""

    user_id: str
    event_id: int
    record: str
    again: bool


class Completion(NamedTuple):
    """What was redacted because it is a part of a number: by which rule. What completes it names published parts."""

    rule: str
    records: tuple[str, ...]


def without_parts(
    numbers: SplitNumbers,
    rules: Mapping[str, SplitRule],
    said: Said,
    text: str,
    later: Callable[[], Iterable[str]] | None = None,
) -> tuple[str, list[Completion], SplitNumbers]:
    """Return the text of a message without what completes a number, what that was, and what is remembered then.

    `text` is redacted already; `rules`: detector -> the rule about it. `later` gives the party's next messages, as they
    are redacted, where some are known: what begins a number that they complete is not in the text, either.
    """
    began = may_begin(text)
    if len(said.user_id) > _LONGEST_USER_ID or not (began or any(one.user_id == said.user_id for one in numbers)):
        return text, [], numbers
    done: list[Completion] = []
    then: list[SplitNumber] = []
    for detector, split in SPLIT_DETECTORS.items():
        number, rule = _continued(numbers, detector, said), rules.get(detector)
        if number is None or rule is None:
            continue
        plain = PlainText(text)
        found = split.completion(number.stand_in, plain.shown)
        if found is not None:
            text = _without(text, plain, found, rule)
            done.append(Completion(rule.name, number.records))
            then.append(replace(number, completed_by=said.event_id))
    if said.again:
        return *_without_former_part(numbers, rules, said, text, done), numbers
    kept = [one for one in numbers if not _open_before(one, said)]
    if began:
        plain, known, whole = PlainText(text), () if then else numbers, text
        for detector in SPLIT_DETECTORS:
            rule = rules.get(detector)
            begun = None if rule is None else _began(known, detector, said, plain.shown)
            if rule is None or begun is None:
                continue
            number, part = begun
            if text is whole and later is not None and completed_by(later(), detector, number.stand_in):
                text = _without(text, plain, (part.start, part.end), rule)
                done.append(Completion(rule.name, ()))
                number = replace(number, records=number.records[:-1])
                before = _continued(known, detector, said) if part.joined else None
                then.append(replace(number, stand_in=before.stand_in if before else "", completed_by=said.event_id))
            then.append(number)
    return text, done, (*kept, *then)[-MOST_NUMBERS:]


def _without(text: str, plain: PlainText, found: tuple[int, int], rule: SplitRule) -> str:
    """Return a text with what was found in what is shown of it replaced."""
    [(start, end)] = plain.places(iter([found]))
    return f"{text[:start]}{rule.replace(text[start:end])}{text[end:]}"


def _without_former_part(
    numbers: SplitNumbers, rules: Mapping[str, SplitRule], said: Said, text: str, done: list[Completion]
) -> tuple[str, list[Completion]]:
    """Return a text that is told again without the part of a number that was redacted in it, and `done` with that."""
    for one in numbers:
        rule = rules.get(one.detector)
        if rule is None or one.user_id != said.user_id or not one.completed_by == one.event_id == said.event_id:
            continue
        plain = PlainText(text)
        found = SPLIT_DETECTORS[one.detector].beginning(one.stand_in or None, plain.shown)
        if found is not None:
            text = _without(text, plain, (found.start, found.end), rule)
            done.append(Completion(rule.name, ()))
    return text, done


def _open_before(number: SplitNumber, said: Said) -> bool:
    """Tell whether a message might complete a number, or ends the chance that one does."""
    return number.user_id == said.user_id and number.completed_by is None and number.event_id < said.event_id


def _continued(numbers: SplitNumbers, detector: str, said: Said) -> SplitNumber | None:
    """Return the number that a message may complete, or completed when it was told first."""
    if said.again:
        mine = (
            one
            for one in numbers
            if one.user_id == said.user_id and one.completed_by == said.event_id and one.event_id < said.event_id
        )
    else:
        mine = (one for one in numbers if _open_before(one, said))
    return max((one for one in mine if one.detector == detector), key=_event_id, default=None)


def _event_id(number: SplitNumber) -> int:
    return number.event_id


def _began(numbers: SplitNumbers, detector: str, said: Said, shown: str) -> tuple[SplitNumber, Beginning] | None:
    """Return what a number may begin with at the end of a message; `numbers` that it may go on with."""
    before = _continued(numbers, detector, said)
    found = SPLIT_DETECTORS[detector].beginning(None if before is None else before.stand_in, shown)
    if found is None:
        return None
    records = (*before.records, said.record) if before is not None and found.joined else (said.record,)
    return SplitNumber(said.user_id, detector, found.stand_in, records, said.event_id), found
