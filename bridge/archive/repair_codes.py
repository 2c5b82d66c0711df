"""What was repaired in a damaged stored transcript: the codes of repairs."""

from __future__ import annotations

from typing import Final

WRONG_ENCODING: Final = "WRONG_ENCODING"
WRONG_BOM: Final = "WRONG_BOM"
INVALID_BYTES: Final = "INVALID_BYTES"
CESU_8: Final = "CESU_8"
CONTROL_CHARACTER: Final = "CONTROL_CHARACTER"
BAD_REFERENCE: Final = "BAD_REFERENCE"
SURROGATE_REFERENCES: Final = "SURROGATE_REFERENCES"
HTML_ENTITY: Final = "HTML_ENTITY"
UNKNOWN_ENTITY: Final = "UNKNOWN_ENTITY"
BARE_AMPERSAND: Final = "BARE_AMPERSAND"
ESCAPED_DOCUMENT: Final = "ESCAPED_DOCUMENT"
BEFORE_THE_START: Final = "BEFORE_THE_START"
BARE_MARKUP: Final = "BARE_MARKUP"
BAD_ATTRIBUTE: Final = "BAD_ATTRIBUTE"
TAG_NOT_CLOSED: Final = "TAG_NOT_CLOSED"
MISMATCHED_TAG: Final = "MISMATCHED_TAG"
STRAY_END_TAG: Final = "STRAY_END_TAG"
MISPLACED_DECLARATION: Final = "MISPLACED_DECLARATION"
DOUBLED_ROOT: Final = "DOUBLED_ROOT"
SEVERAL_CHATS: Final = "SEVERAL_CHATS"
OUTSIDE_THE_ROOT: Final = "OUTSIDE_THE_ROOT"
AFTER_THE_END: Final = "AFTER_THE_END"
NO_ROOT: Final = "NO_ROOT"
EVENT_LOST: Final = "EVENT_LOST"
CUT_OFF: Final = "CUT_OFF"
NOT_WELL_FORMED: Final = "NOT_WELL_FORMED"

_NOTHING: Final = "Nothing: the text is whole."
_COMPARE: Final = "Look at the event, if each character counts: the file does not hold more."
_EXPORT: Final = "Export the chat again, if it still exists."

REPAIR_CODES: Final = {
    WRONG_ENCODING: ("The bytes are in another encoding than the declared one. They were read in theirs.", _NOTHING),
    WRONG_BOM: ("A byte order mark is doubled, misplaced or of another encoding. It was ignored.", _NOTHING),
    INVALID_BYTES: ("Bytes that are no characters became U+FFFD, one each.", _COMPARE),
    CESU_8: ("A character above U+FFFF was encoded as two halves. It was put together.", _NOTHING),
    CONTROL_CHARACTER: ("A character that XML does not have became U+FFFD.", _COMPARE),
    BAD_REFERENCE: ("A reference to a character that XML does not have became U+FFFD.", _COMPARE),
    SURROGATE_REFERENCES: ("A character was written as references to its two halves. It was put together.", _NOTHING),
    HTML_ENTITY: ("An entity of HTML became its character.", _NOTHING),
    UNKNOWN_ENTITY: ("An entity that is not known was kept as it was written.", _COMPARE),
    BARE_AMPERSAND: ("An ampersand that is not escaped was kept as text.", _NOTHING),
    ESCAPED_DOCUMENT: ("The whole document was escaped once more. That was undone.", _NOTHING),
    BEFORE_THE_START: ("What stood before the document was dropped.", _NOTHING),
    BARE_MARKUP: ("A character of markup that belongs to no markup was kept as text.", _NOTHING),
    BAD_ATTRIBUTE: (
        "An attribute is doubled, or not written as attributes are. What could be read was kept.",
        _COMPARE,
    ),
    TAG_NOT_CLOSED: ("The end of a tag is missing. It was added before the next tag.", _COMPARE),
    MISMATCHED_TAG: ("An end tag is missing. It was added.", _COMPARE),
    STRAY_END_TAG: ("An end tag that ends nothing was dropped.", _COMPARE),
    MISPLACED_DECLARATION: ("An XML declaration inside the document was dropped.", _NOTHING),
    DOUBLED_ROOT: ("The transcript is in the file more than once. The copies were merged.", _NOTHING),
    SEVERAL_CHATS: ("The file holds several chats. Each was read.", _NOTHING),
    OUTSIDE_THE_ROOT: ("Something outside the transcript was dropped.", "Check which file was given."),
    AFTER_THE_END: ("An event after the end of the transcript was added to it.", _COMPARE),
    NO_ROOT: ("The beginning of the transcript is missing. The id of the chat was known otherwise.", _EXPORT),
    EVENT_LOST: ("An event is so damaged that it was left out. A GAP stands for it.", _EXPORT),
    NOT_WELL_FORMED: ("The document is not well-formed there, and nothing of it was changed or left out.", _NOTHING),
    CUT_OFF: ("The end of the transcript is missing. A GAP stands for it.", _EXPORT),
}
"""Code of a repair -> what it means, and what to do."""
