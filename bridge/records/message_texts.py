"""The text of a message as an output has it: redacted, and without what completes a number of earlier messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.records.redact import Redaction
from bridge.records.split_numbers import Said, without_completions

if TYPE_CHECKING:
    from bridge.records.redact import Redactor
    from bridge.records.split_numbers import SplitNumbers
    from bridge.transcript.entries import Entry

_FIELD: Final = "message.text"


def message_text(
    entry: Entry, record_id: str, redactor: Redactor, numbers: SplitNumbers, done: list[Redaction]
) -> tuple[str, SplitNumbers]:
    """Return the text of an entry with a message, and the numbers that parties may have begun as of then.

    `record_id` is that of its record, `numbers` are those as of the record before. Appends to `done`.
    """
    event = entry.event
    if event is None or event.message_text is None:
        return "", numbers
    text = redactor.text(_FIELD, event.message_text.text, done)
    rules = redactor.split_rules
    if not rules:
        return text, numbers
    session, colon, own = record_id.partition(":")
    said = Said(event.user_id, event.event_id, own, again=bool(entry.amendment) and not entry.reused)
    text, completions, numbers = without_completions(numbers, rules, said, text)
    for one in completions:
        earlier = tuple(f"{session}{colon}{record}" for record in one.records)
        done.append(Redaction(_FIELD, one.rule, 1, earlier))
    return text, numbers
