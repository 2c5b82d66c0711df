"""Why a connection was lost, or a chat could not be joined: the codes in log lines and metrics."""

from __future__ import annotations

from typing import Final

RESET: Final = "RESET"
CLOSED: Final = "CLOSED"
SILENT: Final = "SILENT"
NOT_REGISTERED: Final = "NOT_REGISTERED"
REFUSED: Final = "REFUSED"
UNREACHABLE: Final = "UNREACHABLE"
TLS: Final = "TLS"
LOGGED_OUT: Final = "LOGGED_OUT"
UNSENT_BYTES: Final = "UNSENT_BYTES"
INTERNAL: Final = "INTERNAL"

NO_ANSWER: Final = "NO_ANSWER"
WRONG_ANSWER: Final = "WRONG_ANSWER"
UNREADABLE_HISTORY: Final = "UNREADABLE_HISTORY"
HISTORY_TOO_LONG: Final = "HISTORY_TOO_LONG"
TOO_MANY_EVENTS: Final = "TOO_MANY_EVENTS"
CANNOT_BE_SENT: Final = "CANNOT_BE_SENT"

REMOVED: Final = "REMOVED"
ANNOUNCED_ELSEWHERE: Final = "ANNOUNCED_ELSEWHERE"

_SERVER: Final = "Look at the server or gateway, and at what lies between."
LINK_CODES: Final = {
    RESET: ("The connection broke.", _SERVER),
    CLOSED: ("The server closed the connection.", _SERVER),
    SILENT: ("The server gave no sign of life, not even to a ping.", _SERVER),
    NOT_REGISTERED: ("The server did not answer the registration in time.", _SERVER),
    REFUSED: ("The server refused the registration.", "Look up the error number in the detail; check the settings."),
    UNREACHABLE: ("No connection could be made.", "Check the address and the network."),
    TLS: (
        "TLS with the server failed; the detail says why.",
        "Compare `sources.chat_server.tls` with the server's certificate, and with what it wants of clients.",
    ),
    LOGGED_OUT: (
        "The server said that the bridge is logged out.",
        "Look at who or what ends supervisors' logins on the server.",
    ),
    UNSENT_BYTES: ("The server does not read what the bridge sends.", _SERVER),
    INTERNAL: ("A defect of the bridge ended the connection.", "Report the `link_failed` line of the log."),
}
"""Code of a lost connection -> what it means, and what to do. Its chats are joined again on another one."""

_REMOVED: Final = ("The server ended the bridge's part in the chat.", "Look at who removes silent monitors from chats.")

JOIN_CODES: Final = {
    REFUSED: (
        "The server refused the join, or the registration before it, with an error number.",
        "Look up the error number.",
    ),
    NO_ANSWER: ("The server did not answer the join in time.", _SERVER),
    WRONG_ANSWER: (
        "The server answered the join with another chat, or with none.",
        "Report it to the maker of the gateway.",
    ),
    UNREADABLE_HISTORY: ("The history that answered the join cannot be read.", "Look at the quarantine record."),
    HISTORY_TOO_LONG: (
        "The history that answered the join is longer than the limit.",
        "Raise `sources.chat_server.history_bytes`, and announce the chat again while it is open.",
    ),
    TOO_MANY_EVENTS: ("Events came without end, and no answer to the join.", _SERVER),
    CANNOT_BE_SENT: ("The join does not fit into a frame.", "Shorten the session password."),
    REMOVED: _REMOVED,
    **{code: LINK_CODES[code] for code in LINK_CODES if code != REFUSED},
}
"""Code of a failed attempt to join a chat -> what it means, and what to do."""

AWAY_CODES: Final = {
    ANNOUNCED_ELSEWHERE: ("A newer announcement names another server.", "Nothing."),
    REMOVED: _REMOVED,
    **{code: LINK_CODES[code] for code in (RESET, CLOSED, SILENT, TLS, LOGGED_OUT, UNSENT_BYTES, INTERNAL)},
}
"""Code of the beginning of an absence -> what it means, and what to do."""
