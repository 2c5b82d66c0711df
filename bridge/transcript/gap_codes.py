"""Why ids are missing, and why a certificate is what it is: the codes in GAP records and certificates.

A code that stands in a record of a later version and not here is passed on as it is, and decides nothing.
"""

from __future__ import annotations

from typing import Final

NOT_IN_REPLAY: Final = "NOT_IN_REPLAY"
UNREADABLE: Final = "UNREADABLE"
OVER_WHILE_AWAY: Final = "OVER_WHILE_AWAY"
TOO_LARGE: Final = "TOO_LARGE"
NOT_RECORDED: Final = "NOT_RECORDED"
OUT_OF_REACH: Final = "OUT_OF_REACH"
NEVER_JOINED: Final = "NEVER_JOINED"
HISTORY_TOO_LONG: Final = "HISTORY_TOO_LONG"
INTERNAL: Final = "INTERNAL"
OUTGROWN: Final = "OUTGROWN"
EVENTS_LOST: Final = "EVENTS_LOST"
STATE_LOST: Final = "STATE_LOST"
ARCHIVE_DAMAGED: Final = "ARCHIVE_DAMAGED"
UNFINISHED: Final = "UNFINISHED"
NO_STORED_TEXT: Final = "NO_STORED_TEXT"

UNATTRIBUTED: Final = "UNATTRIBUTED"
IDS_REUSED: Final = "IDS_REUSED"
LISTS_LEFT_OUT: Final = "LISTS_LEFT_OUT"
OUTPUT_ADDED: Final = "OUTPUT_ADDED"
OUTPUT_ENDED: Final = "OUTPUT_ENDED"
UNEXPLAINED_IDS: Final = "UNEXPLAINED_IDS"

GAP_CODES: Final = {
    NOT_IN_REPLAY: (
        "The history that came after an absence does not hold these ids. The server may have withheld them.",
        "Compare with the stored transcript if each event counts.",
    ),
    UNREADABLE: (
        "Input of the chat could not be read. Its bytes are in the quarantine, with a code of their own.",
        "Look at the quarantine record, and report it to the maker of the gateway or of the bridge.",
    ),
    OVER_WHILE_AWAY: (
        "The chat was over before it could be joined again: what came after the last event is missing.",
        "Take the rest from the stored transcript. The log tells the cause: `link_lost`, or `shard_taken` elsewhere.",
    ),
    TOO_LARGE: (
        "The record of an event is larger than the topic allows. The event is in the quarantine, in parts.",
        "Raise `max.message.bytes` of the events topic if such events are expected.",
    ),
    NOT_RECORDED: (
        "An event cannot be expressed as a record, or changes one that was not recorded. It is in the quarantine.",
        "Look at the quarantine record.",
    ),
    OUT_OF_REACH: (
        "The chat could not be joined again: what came after the last event is missing.",
        "Check its Chat Servers, and announce it again while it is open.",
    ),
    HISTORY_TOO_LONG: (
        "The chat could not be joined (again), because its history is longer than the limit.",
        "Raise `sources.chat_server.history_bytes`, and announce the chat again while it is open.",
    ),
    NEVER_JOINED: (
        "The chat could not be joined at all: nothing of it was seen.",
        "Check the announcement (address, session id, password); announce it again while it is open.",
    ),
    INTERNAL: (
        "A defect of the bridge cost the chat an input. What the input held is in the quarantine.",
        "Report the `chat_failed` line of the log.",
    ),
    OUTGROWN: (
        "The chat has more holes, gaps, amendments or events than its checkpoint holds, and is not followed any more.",
        "Take the rest from the stored transcript. Look for the cause of so many holes.",
    ),
    EVENTS_LOST: (
        "Records of the chat have gone from the events topic; they are not written again. Those who read it have them.",
        "Take them from the stored transcript. Find out who deletes topics or records.",
    ),
    STATE_LOST: (
        "The checkpoints topic had lost the chat, and no announcement told its place any more.",
        "Announce it again while it is open. Find out who deletes topics or records.",
    ),
    ARCHIVE_DAMAGED: (
        "The stored transcript is damaged there, or cut off: what it held cannot be read.",
        "Read the chat from another copy, or export it again.",
    ),
    UNFINISHED: (
        "The chat is known from stored transcripts only, and the last one did not come while it was waited for.",
        "Look the chat up in the database that stores transcripts; `chatbridge backfill` takes it from there.",
    ),
    NO_STORED_TEXT: (
        "The chat is known from UCS only, which gives no text of it. The detail is the code of the reason.",
        "Look that code up among those of UCS; `chatbridge backfill` takes the chat from another copy.",
    ),
    OUTPUT_ADDED: (
        "Records of the chat before are in other outputs only: this one was added, or takes the chat since then.",
        "Read them there.",
    ),
}
"""Code of a GAP, which is also one of the certificate while the gap is open -> what it means, and what to do."""

CERTIFICATE_CODES: Final = {
    UNATTRIBUTED: (
        "Unreadable input may have concerned this chat; no GAP can be made of it.",
        "Look at the quarantine records of the chat's server at that time.",
    ),
    IDS_REUSED: (
        "Event ids were reused after a restoration. No lack: all events are there, some under an id of another one.",
        "Nothing.",
    ),
    LISTS_LEFT_OUT: (
        "The ids and gaps are too many for the record: the certificate does not list them.",
        "Read them from the chat's event records.",
    ),
    OUTPUT_ENDED: (
        "This output takes the chat no longer: what comes after is in other outputs only.",
        "Read it there. Whether the chat has ended, this certificate does not say.",
    ),
    UNEXPLAINED_IDS: (
        "Event ids are missing that no GAP names, and that nothing documented explains.",
        "Compare with the stored transcript.",
    ),
}
"""Codes in certificates only -> what they mean, and what to do."""

KNOWN: Final = GAP_CODES.keys() | CERTIFICATE_CODES.keys()
"""All that this version can judge."""
WITHDRAWN: Final = frozenset({TOO_LARGE, NOT_RECORDED})
"""Of gaps that stand for an event whose content is in the quarantine: it is not published when it is seen again."""
UNTIL_JOINED: Final = frozenset(
    {NEVER_JOINED, HISTORY_TOO_LONG, OVER_WHILE_AWAY, OUT_OF_REACH, STATE_LOST, UNFINISHED, NO_STORED_TEXT}
)
"""Of gaps without an end that the next snapshot of the chat fills: what it lacks is told in gaps of its own."""
UNTIL_STORED: Final = UNTIL_JOINED | {ARCHIVE_DAMAGED, UNREADABLE, INTERNAL}
"""Of gaps without an end that the last stored transcript of the chat fills, where it is whole."""
NOT_STORED: Final = WITHDRAWN | {EVENTS_LOST, OUTGROWN}
"""Of gaps that no stored transcript closes: events in the quarantine; records that were written once."""
