"""The text of a message as an output has it: redacted, and without what completes a number of earlier messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.records.detectors import nothing_in
from bridge.records.redactor import Redaction
from bridge.records.split_numbers import Said, without_completions

if TYPE_CHECKING:
    from bridge.records.redactor import Redactor
    from bridge.records.split_numbers import SplitNumbers
    from bridge.transcript.events import ChatEvent

MESSAGE_TEXT: Final = "message.text"
"""The field, as redactions name it."""


def message_text(  # noqa: PLR0913 - what is said, where, and what was said before
    event: ChatEvent,
    record_id: str,
    redactor: Redactor,
    numbers: SplitNumbers,
    done: list[Redaction],
    *,
    again: bool,
) -> tuple[str, SplitNumbers]:
    """Return the text of a message, and the numbers that parties may have begun as of then. Appends to `done`.

    `record_id` is that of its record, `numbers` are those as of the record before. `again`: it has other content than
    it had in an earlier record.
    """
    text = redactor.text(MESSAGE_TEXT, event.message_text.text if event.message_text else "", done)
    rules = redactor.split_rules
    if not rules or (not numbers and nothing_in(text)):
        return text, numbers
    session, colon, own = record_id.partition(":")
    said = Said(event.user_id, event.event_id, own, again)
    text, completions, numbers = without_completions(numbers, rules, said, text)
    for one in completions:
        earlier = tuple(f"{session}{colon}{record}" for record in one.records)
        done.append(Redaction(MESSAGE_TEXT, one.rule, 1, earlier))
    return text, numbers
