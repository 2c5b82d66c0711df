"""Finds personal data in text: payment cards, IBANs, e-mail addresses, telephone numbers.

A detector takes a text and yields the (start, end) of each find, in order and without overlap. Chat text comes from
strangers, so every one of them takes time linear in the length of the text, whatever it holds: no pattern here has a
repeat inside a repeat that could divide the same characters in two ways, and none looks further than a bounded
distance from where it starts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Detector = Callable[[str], Iterator[tuple[int, int]]]

# --- payment cards ----------------------------------------------------------------------------------------------------

# Not possessive: before 3.11.5 Python takes a separator without digits behind it, too.
_DIGIT_GROUPS: Final = re.compile(r"[0-9]+(?:[ -][0-9]+)*")
_GROUP: Final = re.compile(r"[0-9]+")
_CARD_DIGITS: Final = range(13, 20)  # ISO/IEC 7812-1: at most 19; the shortest in use have 13
_CARD_GROUPS: Final = 6  # 4-4-4-4-3 is the most in use
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # Luhn: twice the digit, digits added


def payment_cards(text: str) -> Iterator[tuple[int, int]]:
    """Yield runs of 13 to 19 digits, with single spaces or hyphens between groups, that satisfy Luhn's check."""
    for run in _DIGIT_GROUPS.finditer(text):
        if run.end() - run.start() < _CARD_DIGITS.start:
            continue
        groups = [(found.start(), found.end()) for found in _GROUP.finditer(text, run.start(), run.end())]
        at = 0
        while at < len(groups):
            size = _groups_of_a_card(text, groups, at)
            if size:
                yield groups[at][0], groups[at + size - 1][1]
            at += size or 1


def _groups_of_a_card(text: str, groups: list[tuple[int, int]], first: int) -> int:
    """Return how many groups from `first` on make a card number, the most that do; 0 for none."""
    size = found = 0
    # Luhn doubles every second digit counted from the end, which is not known yet: keep the sums of both cases.
    even = odd = 0
    if text[groups[first][0]] == "0":
        return 0
    for at in range(first, min(first + _CARD_GROUPS, len(groups))):
        start, end = groups[at]
        if size + end - start >= _CARD_DIGITS.stop:
            break
        for digit in map(int, text[start:end]):
            even, odd = (
                (even + _DOUBLED[digit], odd + digit) if size & 1 == 0 else (even + digit, odd + _DOUBLED[digit])
            )
            size += 1
        if size in _CARD_DIGITS and (odd if size & 1 else even) % 10 == 0:
            found = at - first + 1
    return found


# --- IBANs ------------------------------------------------------------------------------------------------------------

# Length by country. Source: SWIFT, IBAN Registry.
_IBAN_LENGTHS: Final = {
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
_IBAN_START: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?=[ -]?[A-Za-z0-9])")
_IBAN_REST: Final = {
    length: re.compile(rf"(?:[ -]?[A-Za-z0-9]){{{length - 4}}}(?![A-Za-z0-9])")
    for length in set(_IBAN_LENGTHS.values())
}
_IBAN_MODULUS: Final = 97


def ibans(text: str) -> Iterator[tuple[int, int]]:
    """Yield IBANs of the registered countries' lengths that satisfy ISO 7064's check, with or without spaces."""
    for start in _IBAN_START.finditer(text):
        length = _IBAN_LENGTHS.get(start.group()[:2].upper())
        rest = _IBAN_REST[length].match(text, start.end()) if length else None
        if rest is None:
            continue
        plain = (rest.group() + start.group()).replace(" ", "").replace("-", "")
        if int("".join(str(int(char, 36)) for char in plain)) % _IBAN_MODULUS == 1:
            yield start.start(), rest.end()


# --- e-mail addresses -------------------------------------------------------------------------------------------------

_DOMAIN: Final = re.compile(r"@(?:[\w-]{1,63}\.)+[^\W\d_]{2,63}")
_LOCAL_BACKWARDS: Final = re.compile(r"[\w.%+'-]{1,64}")
_LOCAL_LIMIT: Final = 64  # RFC 5321, 4.5.3.1.1


def emails(text: str) -> Iterator[tuple[int, int]]:
    """Yield `local@domain.tld`. Looks for the domain first and then back from it, so that long words cost nothing.

    In `a@b.nora@example.org` the local part of the second address ends the first find: the rest is a find of its own.
    """
    floor = 0
    for domain in _DOMAIN.finditer(text):
        at = domain.start()
        local = _LOCAL_BACKWARDS.match(text[max(floor, at - _LOCAL_LIMIT) : at][::-1])
        if local is not None or 0 < floor == at:
            yield at - (local.end() if local else 0), domain.end()
            floor = domain.end()


# --- telephone numbers ------------------------------------------------------------------------------------------------

# International (+ or 00), national with a leading 0 or a bracket, or grouped 3-3-4; E.164 has at most 15 digits.
_PHONE: Final = re.compile(
    r"(?<![\w+])(?:(?:\+|00?)[1-9](?:[ ()./-]{0,2}[0-9]){6,13}|\([0-9]{2,5}\)(?:[ ./-]{0,2}[0-9]){5,12}"
    r"|[0-9]{3}[ .-][0-9]{3}[ .-][0-9]{4})(?![0-9])"
)


def phones(text: str) -> Iterator[tuple[int, int]]:
    """Yield what is written like a telephone number; plain digits without prefix or grouping are not."""
    return (found.span() for found in _PHONE.finditer(text))
