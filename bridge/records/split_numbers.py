"""Numbers that one party splits over consecutive messages: a card's or an IBAN's.

The records of the parts that came before stay as they were published; what completes the number is redacted, and its
`Redaction` names them. What is remembered of a chat is what the last message of each party may begin a number with
(`detectors.beginnings`), and which messages completed one, should they be told again with other content.

Messages of a party count in the order of their ids; those of others may stand between. Where records come in another
order (a hole is filled later), the part that comes later is redacted only if its id is higher, too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.records.detectors.beginnings import SPLIT_DETECTORS
from bridge.records.detectors.plain_text import PlainText

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_NUMBERS: Final = 16
"""Numbers that are remembered of a chat, however many parties it has (P6)."""
_LONGEST_USER_ID: Final = 128
_NEAR_THE_END: Final = 64
"""Characters in which a text has a digit if a number may begin at its end: most texts have none."""
_DIGIT: Final = re.compile(r"\d")


@dataclass(slots=True, frozen=True)
class SplitNumber:
    """What a party may have begun a number with.

    `records` are the ids of the records of its parts, without the session's id and the colon; `event_id` is that of
    the last part. `stand_in` is what the check of the `detector` needs of them. `completed_by` is the id of the event
    that completed it; None as long as the party's next message may.
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
    """What was redacted because it completes a number: by which rule, and the records of the other parts."""

    rule: str
    records: tuple[str, ...]


def without_completions(
    numbers: SplitNumbers, rules: Mapping[str, SplitRule], said: Said, text: str
) -> tuple[str, list[Completion], SplitNumbers]:
    """Return the text of a message without what completes a number, what that was, and what is remembered then.

    `text` is redacted already; `rules`: detector -> the rule about it.
    """
    began = _DIGIT.search(text[-_NEAR_THE_END:]) is not None
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
            [(start, end)] = plain.places(iter([found]))
            text = f"{text[:start]}{rule.replace(text[start:end])}{text[end:]}"
            done.append(Completion(rule.name, number.records))
            then.append(replace(number, completed_by=said.event_id))
    if said.again:
        return text, done, numbers
    kept = [one for one in numbers if not _open_before(one, said)]
    if began:
        shown, known = PlainText(text).shown, () if then else numbers
        open_ones = [_began(known, detector, said, shown) for detector in SPLIT_DETECTORS if detector in rules]
        then += [one for one in open_ones if one is not None]
    return text, done, (*kept, *then)[-MOST_NUMBERS:]


def _open_before(number: SplitNumber, said: Said) -> bool:
    """Tell whether a message might complete a number, or ends the chance that one does."""
    return number.user_id == said.user_id and number.completed_by is None and number.event_id < said.event_id


def _continued(numbers: SplitNumbers, detector: str, said: Said) -> SplitNumber | None:
    """Return the number that a message may complete, or completed when it was told first."""
    if said.again:
        mine = (one for one in numbers if one.user_id == said.user_id and one.completed_by == said.event_id)
    else:
        mine = (one for one in numbers if _open_before(one, said))
    return max((one for one in mine if one.detector == detector), key=_event_id, default=None)


def _event_id(number: SplitNumber) -> int:
    return number.event_id


def _began(numbers: SplitNumbers, detector: str, said: Said, shown: str) -> SplitNumber | None:
    """Return what a number may begin with at the end of a message; `numbers` that it may go on with."""
    before = _continued(numbers, detector, said)
    found = SPLIT_DETECTORS[detector].beginning(None if before is None else before.stand_in, shown)
    if found is None:
        return None
    records = (*before.records, said.record) if before is not None and found.joined else (said.record,)
    return SplitNumber(said.user_id, detector, found.stand_in, records, said.event_id)
