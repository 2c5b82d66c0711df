"""The text of a message as an output has it: redacted, and without parts of numbers that it shares with others."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from bridge.records.detectors import nothing_in
from bridge.records.later_texts import NOTHING_LATER
from bridge.records.redactor import Redaction
from bridge.records.split_numbers import Said, without_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bridge.records.later_texts import LaterText, LaterTexts
    from bridge.records.redactor import Redactor
    from bridge.records.split_numbers import SplitNumbers
    from bridge.transcript.events import ChatEvent

MESSAGE_TEXT: Final = "message.text"
"""The field, as redactions name it."""
_event_id: Final = attrgetter("event_id")


def message_text(  # noqa: PLR0913 - what is said, where, and what was said before
    event: ChatEvent,
    record_id: str,
    redactor: Redactor,
    numbers: SplitNumbers,
    done: list[Redaction],
    *,
    again: bool,
    later: LaterTexts = NOTHING_LATER,
) -> tuple[str, SplitNumbers]:
    """Return the text of a message, and the numbers that parties may have begun as of then. Appends to `done`.

    `record_id` is that of its record, `numbers` are those as of the record before. `again`: it has other content than
    it had in an earlier record. `later` are messages that are known already and have no record yet.
    """
    text = redactor.text(MESSAGE_TEXT, event.message_text.text if event.message_text else "", done)
    rules = redactor.split_rules
    if not rules or (not numbers and nothing_in(text)):
        return text, numbers
    session, colon, own = record_id.partition(":")
    said = Said(event.user_id, event.event_id, own, again)
    following = later.get(event.user_id)
    text, parts, numbers = without_parts(
        numbers, rules, said, text, None if following is None else lambda: _redacted(following, event, redactor)
    )
    for one in parts:
        earlier = tuple(f"{session}{colon}{record}" for record in one.records)
        done.append(Redaction(MESSAGE_TEXT, one.rule, 1, earlier))
    return text, numbers


def _redacted(later: Sequence[LaterText], event: ChatEvent, redactor: Redactor) -> Iterator[str]:
    """Yield the messages behind an event, redacted: one at a time, for the first ones are usually enough."""
    behind = bisect_right(later, event.event_id, key=_event_id)
    for at in range(behind, len(later)):
        yield redactor.text(MESSAGE_TEXT, later[at].text, [])
