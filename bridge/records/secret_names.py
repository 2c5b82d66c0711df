r"""Secrets, found by their names (P5).

Session passwords, secure keys and device tokens are values of certain names. Case, `_`, `-` and NUL are ignored, and
a name is recognised behind escapes (`\u0053`, `&#83;`, `&amp;#83;`), however deep the text is nested in others.
"""

from __future__ import annotations

import re
from typing import Final

from bridge.records.escapes import unescaped

SECRET: Final = "secret"  # noqa: S105 - the name of the rule
SECRET_NAMES: Final = (
    "SessionPassword",  # GCTI_Chat_SessionPassword, ChatServerSessionPassword: protocol facts 5.3
    "SecureKey",  # flex credentials: 1.6
    "push_notification_deviceid",  # a customer's newParty: 3.8
    "PushDeviceId",  # GCTI_GMS_PushDeviceId, session userData of custom-http: 8.4
)
"""What a name may not contain (P5): names that Genesys documents, without their prefixes."""

_ALSO_IN_RAW_INPUT: Final = ("password",)  # the field of an announcement, and any other of that name

_ESCAPED_NUL: Final = re.compile(r"(?<!\\)(\\++)u0000")  # UTF-16 inside of JSON, inside of JSON, ...
_AMPERSAND: Final = re.compile(r"&(?:amp;)+")  # XML inside of XML, inside of XML, ...
_LEVELS: Final = 4  # one level is UTF-16 inside of escapes
_STRUCTURE: Final = re.compile(r"[{\[<=:]|%3[ADad]")  # %3A and %3D are : and = in a URL
_MAY_BE_STRUCTURE: Final = re.compile(r"[{\[<=:%]")
_LETTER_OR_DIGIT: Final = re.compile(r"[^\W_]")
_LETTERS_AND_DIGITS: Final = re.compile(rb"[0-9A-Za-z\x80-\xff]")


def _plain(text: str) -> str:
    return text.casefold().replace("_", "").replace("-", "").replace("\0", "")  # faster than translate


_PLAIN_SECRETS: Final = tuple(map(_plain, SECRET_NAMES))


def names_secret(text: str, names: tuple[str, ...] = _PLAIN_SECRETS) -> bool:
    """Tell whether the name of a secret stands anywhere in a text."""
    for _ in range(_LEVELS):
        if "&amp;" in text:
            text = _AMPERSAND.sub("&", text)
        plain = _plain(text)
        for name in names:
            if name in plain:
                return True
        if "\\" not in text and "&#" not in text and "\0" not in text:
            return False
        shown = text.replace("\0", "")
        shown = unescaped(_ESCAPED_NUL.sub(_before_nul, shown) if "u0000" in shown else shown)
        if shown == text:
            return False
        text = shown
    return False


def _before_nul(found: re.Match[str]) -> str:
    """Return the backslashes before an escaped NUL that belong to what follows it.

    In JSON that is n times in JSON, 2 ** n escape the NUL, and each other one is 2 ** (n + 1) of them.
    """
    there = len(found[1])
    return "\\" * (there - (there & -there))


def without_secret(text: str) -> str | None:
    """Return a text with every letter and digit masked if it may hold a secret; None if it does not.

    It may when it names one and has a character that gives a value to a name in JSON, XML, a URL or a list: who only
    talks about a secure key keeps the words.
    """
    shown = unescaped(text)
    # First what takes least: most texts have no such character at all.
    if _MAY_BE_STRUCTURE.search(shown) and names_secret(text) and _STRUCTURE.search(shown):
        return _LETTER_OR_DIGIT.sub("*", text)
    return None


def scrub(raw: bytes) -> bytes:
    r"""Return input for the quarantine: as it is, or with every letter and digit masked when it names a secret.

    The structure stays visible, because the ends of a value cannot be found in damaged input. UTF-16 is recognised.
    """
    names = (*_PLAIN_SECRETS, *_ALSO_IN_RAW_INPUT)
    text = raw.replace(b"\0", b"").decode("latin-1")
    return masked(raw) if names_secret(text, names) else raw


def masked(raw: bytes) -> bytes:
    """Return input with every letter and digit masked, all that is not ASCII included."""
    return _LETTERS_AND_DIGITS.sub(b"*", raw)
