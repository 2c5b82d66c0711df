"""How what was captured of a chat may differ from what is stored of it: codes, and what they mean.

The expected differences are those of the protocol facts, section 3.9 and 5.5. What is expected because it was seen in
stored transcripts or is documented, and what is only assumed, is said beside the code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TYPING_LIVE_ONLY: Final = "TYPING_LIVE_ONLY"
RESTRICTED_LIVE_ONLY: Final = "RESTRICTED_LIVE_ONLY"
UNSAVED_TAIL: Final = "UNSAVED_TAIL"
STORED_DAMAGED: Final = "STORED_DAMAGED"
DIRECT_STORED_ONLY: Final = "DIRECT_STORED_ONLY"
WITHHELD_LIVE: Final = "WITHHELD_LIVE"
MASKED: Final = "MASKED"
LINE_ENDS: Final = "LINE_ENDS"
FILE_AMENDED: Final = "FILE_AMENDED"
NOT_CARRIED: Final = "NOT_CARRIED"
SEALED: Final = "SEALED"
OTHER_RULES: Final = "OTHER_RULES"

MISSING_IN_GAP: Final = "MISSING_IN_GAP"
NO_STORED_TEXT: Final = "NO_STORED_TEXT"

EVENT_LOST: Final = "EVENT_LOST"
EVENT_NOT_STORED: Final = "EVENT_NOT_STORED"
ID_SHIFTED: Final = "ID_SHIFTED"
OTHER_EVENT: Final = "OTHER_EVENT"
TEXT_CHANGED: Final = "TEXT_CHANGED"
FIELD_CHANGED: Final = "FIELD_CHANGED"
ORDER: Final = "ORDER"
START_AT: Final = "START_AT"

_NOTHING: Final = "Nothing: it is expected."

EXPECTED: Final = {
    TYPING_LIVE_ONLY: ("Typing notices are delivered live and normally not stored (documented).", _NOTHING),
    RESTRICTED_LIVE_ONLY: (
        "An event with visibility INT or VIP is not stored; whether sites store them is not public.",
        _NOTHING,
    ),
    UNSAVED_TAIL: (
        "Events that were sent after the last save before an absence: the stored transcript never had them (derived).",
        _NOTHING,
    ),
    STORED_DAMAGED: (
        "The stored transcript is damaged there: the event, or a text of it, is not in it any more.",
        "Export the chat again, if it still exists.",
    ),
    DIRECT_STORED_ONLY: (
        "A direct message, which a silent monitor is not sent; that it is stored is an assumption.",
        "Nothing, or `--fill`, which publishes it.",
    ),
    WITHHELD_LIVE: (
        "An event that the ClientVersion of the bridge's connection is not sent (documented).",
        "Nothing, or `--fill`, which publishes it.",
    ),
    MASKED: ("The stored text has characters of the captured one replaced by asterisks (documented).", _NOTHING),
    LINE_ENDS: ("The texts differ in their line ends only, which XML normalises.", _NOTHING),
    FILE_AMENDED: (
        "The notice of an uploaded file was amended when the file was deleted (seen in a stored transcript).",
        _NOTHING,
    ),
    NOT_CARRIED: (
        "One of the two forms does not carry the attribute: older servers, lower ClientVersions.",
        _NOTHING,
    ),
    OTHER_RULES: (
        "It was captured under other privacy rules or another key (`ruleSet`): what rules changed was not compared.",
        "Nothing, or compare with the settings of that time.",
    ),
    SEALED: (
        "The captured text or attribute is sealed, and was not compared.",
        "Compare another output, or give the master key (`sealing.*`); nothing if the chat's key was destroyed.",
    ),
}
"""Code of an expected difference -> what it means, and what to do."""

MISSING: Final = {
    MISSING_IN_GAP: (
        "A stored event that was not captured; a GAP record or the certificate says that it is missing.",
        "Run it with `--fill`.",
    ),
    NO_STORED_TEXT: (
        "UCS has, or had, a row of the chat and no text of it; nothing of the chat was captured.",
        "Ask who runs UCS why; look for another copy, for `chatbridge backfill`.",
    ),
}
"""Code of what is missing, as both sides say -> what it means, and what to do."""

UNEXPLAINED: Final = {
    EVENT_LOST: (
        "A stored event that was not captured, and no GAP record and no certificate says so.",
        "Fill it with `--fill`, and report it: the absence of data must not be silent.",
    ),
    EVENT_NOT_STORED: (
        "A captured event that is not stored, for no reason that is known.",
        "Ask the site what it stores; see whether the stored transcript was edited.",
    ),
    ID_SHIFTED: (
        "The same event has another id in the stored transcript.",
        "Do not fill chats of this site: their events would be published twice. Report it.",
    ),
    OTHER_EVENT: (
        "The stored transcript has another event under this id.",
        "Do not fill chats of this site before it is clear why. Report it.",
    ),
    TEXT_CHANGED: ("The same event has another text.", "See whether the stored transcript was edited."),
    FIELD_CHANGED: ("The same event has other attributes.", "See whether the stored transcript was edited."),
    ORDER: ("Events are not in the order of their ids.", "Report it, if they are the captured ones."),
    START_AT: (
        "The chat started at another time.",
        "See whether it is the same chat, and whether clocks were changed.",
    ),
}
"""Code of a difference that nothing explains -> what it means, and what to do."""


@dataclass(slots=True, frozen=True)
class Difference:
    """One difference; `code` is a key of EXPECTED, MISSING or UNEXPLAINED.

    `event_id` is that of the stored event, or of the captured one if it is not stored; None: the chat as a whole.
    `detail` names attributes, sides or ids, never a content.
    """

    code: str
    event_id: int | None = None
    detail: str = ""

    @property
    def is_expected(self) -> bool:
        """Whether the rules explain it."""
        return self.code in EXPECTED

    @property
    def is_unexplained(self) -> bool:
        """Whether nothing explains it."""
        return self.code in UNEXPLAINED
