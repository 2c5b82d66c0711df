"""Finds IBANs as people type them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bridge.records.detectors.plain_text import PlainDetector

if TYPE_CHECKING:
    from collections.abc import Iterator

# Length by country. Source: SWIFT, IBAN Registry.
_LENGTHS: Final = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FK FO GL NL SD",
        19: "MK SI",
        20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HN HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}
_DIGITS_ONLY: Final = frozenset(
    country
    for countries in (
        "AE AT BA BE BI CR CZ DE DJ DK EE EG ES FI FO GL HR HU IL IS LT LY ME MN MR NO PL PT",
        "RS SD SE SI SK SO ST TL TN VA XK",
    )
    for country in countries.split()
)
"""Countries whose account numbers have no letters. Source: as above."""
_CHECK_DIGITS: Final = range(2, 99)  # ISO 13616-1: 98 less a remainder
_BETWEEN: Final = r"[ \t\r\n.,/_|*:;'~-]{0,4}"
_START: Final = re.compile(
    rf"(?<![A-Za-z0-9])[A-Za-z]{_BETWEEN}[A-Za-z]{_BETWEEN}[0-9]{_BETWEEN}[0-9](?={_BETWEEN}[A-Za-z0-9])"
)
_REST: Final = {
    length: re.compile(rf"(?:{_BETWEEN}[A-Za-z0-9]){{{length - 4}}}(?![A-Za-z0-9])")
    for length in set(_LENGTHS.values())
}
_SEPARATOR: Final = re.compile(r"[^A-Za-z0-9]+")
_MODULUS: Final = 97


def plain_ibans(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) in a text as `PlainText` shows it."""
    floor = 0
    for start in _START.finditer(text):
        if start.start() < floor:
            continue
        begin = _SEPARATOR.sub("", start.group())
        country = begin[:2].upper()
        length = _LENGTHS.get(country) if int(begin[2:]) in _CHECK_DIGITS else None
        rest = _REST[length].match(text, start.end()) if length else None
        if rest is None:
            continue
        account = _SEPARATOR.sub("", rest.group())
        if country in _DIGITS_ONLY and not account.isdigit():
            continue
        digits = account + begin
        if int("".join(str(int(char, 36)) for char in digits)) % _MODULUS == 1:
            floor = rest.end()
            yield start.start(), floor


def begins_iban(said: str) -> bool:
    """Tell whether capital letters and digits, four or more, may be the first ones of an IBAN, which has more."""
    country, account = said[:2], said[4:]
    if len(said) >= _LENGTHS.get(country, 0) or not said[2:4].isdigit() or int(said[2:4]) not in _CHECK_DIGITS:
        return False
    return country not in _DIGITS_ONLY or not account or account.isdigit()


ibans: Final = PlainDetector(plain_ibans, "[0-9]")
"""Yields (start, end) of IBANs of the registered countries' lengths that satisfy ISO 7064's check.

Between two characters there may be up to four blanks, dashes, dots, slashes, commas or line breaks.
"""
