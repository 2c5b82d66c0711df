"""What a source can never show, whatever happens: the codes in a certificate (protocol facts, 2, 3.9, 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.transcript.entries import CHAT_SERVER, UCS

if TYPE_CHECKING:
    from collections.abc import Iterable

DIRECT_MESSAGES_BETWEEN_OTHERS: Final = "DIRECT_MESSAGES_BETWEEN_OTHERS"
TYPING_BEFORE_JOIN: Final = "TYPING_BEFORE_JOIN"
TYPING: Final = "TYPING"
TEXT_BEFORE_MASKING: Final = "TEXT_BEFORE_MASKING"
FILE_CONTENTS: Final = "FILE_CONTENTS"
ROUTING: Final = "ROUTING"
ATTACHED_DATA: Final = "ATTACHED_DATA"
NICKNAME_CHANGES: Final = "NICKNAME_CHANGES"
IDLE_CONTROL: Final = "IDLE_CONTROL"
SYSTEM_COMMANDS: Final = "SYSTEM_COMMANDS"
MONITORED_MARK: Final = "MONITORED_MARK"
EVENT_ATTRIBUTES: Final = "EVENT_ATTRIBUTES"

_STORED: Final = "Compare with the stored transcript if it counts."
_NOTHING: Final = "Nothing."
_VERSION: Final = "Raise `sources.chat_server.client_version`, if the server supports it."

BLIND_SPOTS: Final = {
    DIRECT_MESSAGES_BETWEEN_OTHERS: ("A direct message is sent to its sender and its receiver only.", _STORED),
    TYPING_BEFORE_JOIN: (
        "Typing notices of a time in which nobody was watching, if the server's history does not hold them.",
        _NOTHING,
    ),
    TYPING: ("Typing notices: a stored transcript normally has none.", _NOTHING),
    TEXT_BEFORE_MASKING: ("What the server masks before it sends or stores a text.", _NOTHING),
    FILE_CONTENTS: ("The contents of files: events hold their names and ids.", "Read them from UCS by document id."),
    ROUTING: ("Queues, routing and dispositions, which Interaction Server has.", _NOTHING),
    ATTACHED_DATA: ("Changes of the interaction's attached data, which Interaction Server has.", _NOTHING),
    NICKNAME_CHANGES: ("Notices of changed nicknames, which need ClientVersion 102.", _VERSION),
    IDLE_CONTROL: ("Notices of inactivity control and the SYSTEM party, which need ClientVersion 103.", _VERSION),
    SYSTEM_COMMANDS: ("SYS_COMMAND notices, among them those of files, which need ClientVersion 104.", _VERSION),
    MONITORED_MARK: ("The attribute that a chat is monitored, which needs ClientVersion 105.", _VERSION),
    EVENT_ATTRIBUTES: ("eventAttributes, which need ClientVersion 106.", _VERSION),
}
"""Code of what a source can never show -> what it is, and what to do."""

_OF_ALL: Final = frozenset((TEXT_BEFORE_MASKING, FILE_CONTENTS, ROUTING, ATTACHED_DATA))
_OF_SOURCE: Final = {
    CHAT_SERVER: _OF_ALL | {DIRECT_MESSAGES_BETWEEN_OTHERS, TYPING_BEFORE_JOIN},
    UCS: _OF_ALL | {TYPING},
}
_NEEDS: Final = (
    (102, NICKNAME_CHANGES),
    (103, IDLE_CONTROL),
    (104, SYSTEM_COMMANDS),
    (105, MONITORED_MARK),
    (106, EVENT_ATTRIBUTES),
)


def blind_spots(sources: Iterable[str], lowest_version: int | None) -> list[str]:
    """Return what none of `sources` can show, rising; of a source that is not known nothing is said.

    `lowest_version` is the lowest ClientVersion that was in force, None when none is known.
    """
    told: list[set[str]] = []
    for source in sources:
        spots = set(_OF_SOURCE.get(source, frozenset()))
        if source == CHAT_SERVER and lowest_version is not None:
            spots |= {code for version, code in _NEEDS if lowest_version < version}
        told.append(spots)
    return sorted(set.intersection(*told)) if told else []
