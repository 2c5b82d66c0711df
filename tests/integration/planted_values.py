"""Numbers and passwords that no redacted output may hold, spelled as people type and programs write them; found again.

Nothing here is the bridge's: what has to be hidden, and how it is looked for, is told without its patterns.
"""

from __future__ import annotations

import re
import unicodedata
from html import unescape
from typing import Final

CARDS: Final = ("4539148803436467", "5425233430109903", "374245455400126")
IBANS: Final = ("DE89370400440532013000", "GB82WEST12345698765432", "NL91ABNA0417164300")
PASSWORDS: Final = ("730551826409", "881204467135")
"""Of a session; digits only, so that they are looked for as the numbers are."""

_NAMES: Final = (
    "GCTI_Chat_SessionPassword={}",
    "gcti_chat_sessionpassword: {}",
    "session_password={}",
    "Session-Password: {}",
    "SESSIONPASSWORD={}",
    '{{"ChatServerSessionPassword": "{}"}}',
    '{{"GCTI_Chat_SessionPassword":"{}"}}',
    "<item key='sessionPassword'>{}</item>",
    "https://chat.example.org/?sessionPassword={}",
    "https://chat.example.org/?session_password%3D{}",
    '[{{\\"Session\\u0050assword\\": \\"{}\\"}}]',
    "Session&#80;assword={}",
)
_SEPARATORS: Final = (
    " ",
    "-",
    "",
    "  ",
    "\u00a0",
    "\u202f",
    "\u2013",
    "\u2011",
    ".",
    "\n",
    "\u200b",
)
FULL_WIDTH: Final = str.maketrans("0123456789", "".join(chr(0xFF10 + digit) for digit in range(10)))


def _grouped(number: str, separator: str) -> str:
    sizes = (4, 6, 5) if len(number) == 15 else (4,) * (-(-len(number) // 4))  # as on cards
    at, groups = 0, []
    for size in sizes:
        groups.append(number[at : at + size])
        at += size
    return separator.join(groups)


def spellings(number: str) -> list[str]:
    """Return twelve ways to type a card's number or an IBAN."""
    return [*(_grouped(number, separator) for separator in _SEPARATORS), _grouped(number, " ").translate(FULL_WIDTH)]


def planted() -> list[str]:
    """Return texts with every value in twelve spellings, each among words."""
    numbers = [f"please take {text}, thank you" for number in (*CARDS, *IBANS) for text in spellings(number)]
    return [*numbers, *(name.format(password) for password in PASSWORDS for name in _NAMES)]


_ESCAPE: Final = re.compile(r"\\+u([0-9a-fA-F]{4})")
_DIGITS: Final = re.compile(r"\d+")


def found_in(content: bytes) -> list[str]:
    """Return which values are in bytes once these are NFKC and all that is no digit is gone; escapes are read, too."""
    text = content.decode("utf-8", "replace")
    read = unescape(_ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text))
    streams = {_digits(text), _digits(read), _digits(content.replace(b"\0", b"").decode("utf-8", "replace"))}
    values = {value: _digits(value) for value in (*CARDS, *IBANS, *PASSWORDS)}
    return [value for value, digits in values.items() if any(digits in stream for stream in streams)]


def _digits(text: str) -> str:
    digits = "".join(_DIGITS.findall(unicodedata.normalize("NFKC", text)))
    return digits if digits.isascii() else "".join(str(unicodedata.decimal(digit)) for digit in digits)
