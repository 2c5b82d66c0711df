"""Codes of what can be wrong when a stored transcript is asked for over HTTP."""

from __future__ import annotations

from typing import Final

UCS_HTTP_UNREACHABLE: Final = "UCS_HTTP_UNREACHABLE"
UCS_HTTP_DENIED: Final = "UCS_HTTP_DENIED"
UCS_HTTP_FAILED: Final = "UCS_HTTP_FAILED"
UCS_HTTP_REFUSED: Final = "UCS_HTTP_REFUSED"
UCS_HTTP_NOT_JSON: Final = "UCS_HTTP_NOT_JSON"
UCS_HTTP_ERROR_INSIDE: Final = "UCS_HTTP_ERROR_INSIDE"
UCS_HTTP_NO_TRANSCRIPT: Final = "UCS_HTTP_NO_TRANSCRIPT"
UCS_HTTP_OTHER_ORIGIN: Final = "UCS_HTTP_OTHER_ORIGIN"
UCS_HTTP_OTHER_CHAT: Final = "UCS_HTTP_OTHER_CHAT"
UCS_HTTP_TOO_LARGE: Final = "UCS_HTTP_TOO_LARGE"
UCS_HTTP_NOT_FOUND: Final = "UCS_HTTP_NOT_FOUND"
UCS_HTTP_NO_TEXT: Final = "UCS_HTTP_NO_TEXT"

UCS_HTTP_CODES: Final = {
    UCS_HTTP_UNREACHABLE: ("no answer: the address, the network or TLS", "check url, and tls.ca_file for https"),
    UCS_HTTP_DENIED: (
        "401 or 403; after six of them within an hour nothing is asked until the first is an hour old",
        "check the user and the password, and the user's rights",
    ),
    UCS_HTTP_FAILED: ("429, or a status of 500 or more", "see the log of UCS"),
    UCS_HTTP_REFUSED: ("any other status that is not an answer", "check url and interface"),
    UCS_HTTP_NOT_JSON: ("an HTML page, half a JSON or a shape that is not documented", "check url and interface"),
    UCS_HTTP_ERROR_INSIDE: ("status 200, and an error in the body", "see the log of UCS"),
    UCS_HTTP_NO_TRANSCRIPT: ("what lies at the address of the transcript is none", "check that no portal answers"),
    UCS_HTTP_OTHER_ORIGIN: (
        "an answer names another scheme, host or port, which is not asked",
        "set url to the address that UCS itself names",
    ),
    UCS_HTTP_OTHER_CHAT: ("the answer is about another interaction", "report it"),
    UCS_HTTP_TOO_LARGE: ("more bytes than are read", "raise largest_text_bytes"),
    UCS_HTTP_NOT_FOUND: ("UCS has no such interaction", "it may be deleted, or never have been stored"),
    UCS_HTTP_NO_TEXT: ("the interaction is there, without a transcript", "ask again when the chat is over"),
}
"""Code -> what it means, and what to do."""

REPEATED: Final = frozenset(
    (UCS_HTTP_UNREACHABLE, UCS_HTTP_FAILED, UCS_HTTP_NOT_JSON, UCS_HTTP_ERROR_INSIDE, UCS_HTTP_NO_TRANSCRIPT)
)
"""Codes after which the same is asked again: they come and go with a restart, a portal, a balancer."""
