"""Why the database of UCS cannot be read: codes of `/readyz`, and which of them an error of a database means. Pure.

The text of an error is looked at here and nowhere else; it is neither logged nor shown, because it may quote a value.
"""

from __future__ import annotations

import re
from typing import Final

from bridge.transcript.input_codes import LIST_FULL, NO_TEXT, NOT_OVER, ROW_GONE, UNREADABLE_ROW

UCS_UNREACHABLE: Final = "UCS_UNREACHABLE"
UCS_DENIED: Final = "UCS_DENIED"
UCS_TABLE_UNKNOWN: Final = "UCS_TABLE_UNKNOWN"
UCS_TIMEOUT: Final = "UCS_TIMEOUT"
UCS_POSITION_UNREADABLE: Final = "UCS_POSITION_UNREADABLE"

UCS_CODES: Final = {
    UCS_UNREACHABLE: (
        "The database of UCS does not answer, or refuses a statement. It is tried again within a minute.",
        "Look at the database, the network, and the address in `sources.ucs.url_file`.",
    ),
    UCS_DENIED: (
        "The database refuses the account, or reading the table. At most 6 tries an hour: the account may be locked.",
        "Put the right account into `sources.ucs.url_file` (tried at once); grant it what docs/doors/ucs.md says.",
    ),
    UCS_TABLE_UNKNOWN: (
        "The database of UCS does not have the table, or a column of it, under the names that are set.",
        "Set `sources.ucs.names`; where the table is in another schema, `sources.ucs.names.table_schema`.",
    ),
    UCS_TIMEOUT: (
        "A statement took longer than `sources.ucs.statement_timeout_seconds`. It is tried again within a minute.",
        "Read a replica, lower `sources.ucs.page_rows`, or ask for an index on (STARTDATE, ID).",
    ),
    UCS_POSITION_UNREADABLE: (
        "How far UCS was read was stored by a version of the bridge that writes it in another form.",
        "Run that version or a later one.",
    ),
}
"""Code of a reason -> what it means, and what to do."""

MISSING_CODES: Final = {
    NO_TEXT: (
        "A chat has been over for a day, and its row has no text. It is asked for a day more.",
        "Ask who runs UCS whether transcripts of such chats are stored.",
    ),
    NOT_OVER: (
        "A chat has not been over for 30 days, and its row has not changed.",
        "Nothing, unless it goes on: `chatbridge backfill` reads what is stored then.",
    ),
    ROW_GONE: (
        "The row of a chat that was not over was deleted, or was moved to a database that is not read.",
        "Set `sources.ucs.archive_url_file` if there is an archive.",
    ),
    UNREADABLE_ROW: (
        "The database cannot give the text of a row, or it is longer than `sources.ucs.largest_text_characters`.",
        "Do what the detail says. It is asked again for a day.",
    ),
    LIST_FULL: (
        "More chats wait than the bridge remembers: those that have not changed for longest are given up.",
        "Find out why UCS has so many rows that are not over.",
    ),
}
"""Why the text of a chat was not passed on -> what it means, and what to do."""

_BY_SQLSTATE: Final = (
    (re.compile(r"28|42501"), UCS_DENIED),
    (re.compile(r"42P01|42703|42S02|42S22|3F000|42704"), UCS_TABLE_UNKNOWN),
    (re.compile(r"57014"), UCS_TIMEOUT),
)
_BY_TEXT: Final = (
    (
        re.compile(
            r"password authentication failed|no password supplied|no pg_hba\.conf entry|role .* does not exist"
            r"|permission denied|is not permitted to log in"
            r"|ORA-01017|ORA-01005|ORA-28000|ORA-28001|ORA-01045|ORA-01031"
            r"|Login failed|\b18456\b|permission was denied|\b229\b"
            r"|SQL30082N|SQL0551N",
            re.IGNORECASE,
        ),
        UCS_DENIED,
    ),
    (
        re.compile(
            r"ORA-00942|ORA-00904|Invalid object name|Invalid column name|SQL0204N|SQL0206N|no such (table|column)"
        ),
        UCS_TABLE_UNKNOWN,
    ),
    (re.compile(r"ORA-01013|DPY-4024|DPI-1067|Query timeout expired|SQL0952N"), UCS_TIMEOUT),
)


def failure_code(sqlstate: str | None, text: str, *, password_used: bool = False) -> str:
    """Return the code of an error of a database, given its SQLSTATE, where there is one, and its text.

    `password_used`: a connection was refused after the server had asked for a password. PostgreSQL tells why in the
    language of the server only, without a SQLSTATE.
    """
    for pattern, code in _BY_SQLSTATE if sqlstate else ():
        if pattern.match(sqlstate or ""):
            return code
    for pattern, code in _BY_TEXT:
        if pattern.search(text):
            return code
    return UCS_DENIED if password_used else UCS_UNREACHABLE
