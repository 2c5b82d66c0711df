"""Finds payment card numbers as people type them.

A number counts if an issuer has its first digits in that length, it passes Luhn's check, and it is written like a card:
in one piece, or in groups as they stand on cards, in pairs, single digits or other groups with the same between each
two: up to four blanks, dashes, dots, slashes, commas or line breaks. One number in ten passes the check by chance: the
words before it may say that it is something else (`context_words`), and thirteen digits need a word that speaks of a
card, for articles and times have as many.
"""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.records.detectors.context_words import name_before, named_as_card
from bridge.records.detectors.ibans import plain_ibans
from bridge.records.detectors.plain_text import PlainDetector

if TYPE_CHECKING:
    from collections.abc import Iterator

_SEPARATORS: Final = r"[ \t\r\n.,/_|*:;'~-]"
# Not possessive: before 3.11.5 Python takes a separator without digits behind it, too.
_RUN: Final = re.compile(rf"[0-9]+(?:{_SEPARATORS}{{1,4}}[0-9]+)*")
_GROUP: Final = re.compile(r"[0-9]+")
_SIZES: Final = range(13, 20)  # ISO/IEC 7812-1: at most 19; the shortest in use have 13
_MOST_GROUPS: Final = 19
DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
"""Luhn: twice the digit, digits added."""


class _Issuer(NamedTuple):
    """Numbers with these first digits, from `low` to `high`, have these lengths."""

    low: int
    high: int
    sizes: tuple[int, ...]


# First digits and lengths. Source: what the card networks publish for merchants, as of 2026.
_ISSUERS: Final = (
    _Issuer(4, 4, (13, 16, 18, 19)),  # Visa
    _Issuer(51, 55, (16,)),  # Mastercard
    _Issuer(2221, 2720, (16,)),
    _Issuer(34, 34, (15,)),  # American Express
    _Issuer(37, 37, (15,)),
    _Issuer(300, 305, (14, 16, 17, 18, 19)),  # Diners Club
    _Issuer(3095, 3095, (14, 16, 17, 18, 19)),
    _Issuer(36, 36, (14, 15, 16, 17, 18, 19)),
    _Issuer(38, 39, (14, 16, 17, 18, 19)),
    _Issuer(6011, 6011, (16, 17, 18, 19)),  # Discover
    _Issuer(644, 659, (16, 17, 18, 19)),
    _Issuer(3528, 3589, (16, 17, 18, 19)),  # JCB
    _Issuer(62, 62, (16, 17, 18, 19)),  # UnionPay
    _Issuer(81, 82, (16, 17, 18, 19)),  # UnionPay, RuPay
    _Issuer(60, 60, (16,)),  # RuPay, Hipercard
    _Issuer(508, 508, (16,)),
    _Issuer(50, 50, (13, 14, 15, 16, 17, 18, 19)),  # Maestro, Verve, Elo
    _Issuer(56, 58, (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    _Issuer(63, 63, (13, 14, 15, 16, 17, 18, 19)),
    _Issuer(67, 67, (13, 14, 15, 16, 17, 18, 19)),
    _Issuer(2200, 2204, (16, 17, 18, 19)),  # Mir
    _Issuer(9792, 9792, (16,)),  # Troy
    _Issuer(8600, 8600, (16,)),  # Uzcard
    _Issuer(9860, 9860, (16,)),  # Humo
)
PREFIX_DIGITS: Final = 4
"""Digits by which an issuer is known."""


def _by_prefix() -> array[int]:
    found = array("L", [0]) * 10**PREFIX_DIGITS
    for low, high, sizes in _ISSUERS:
        bits = sum(1 << size for size in sizes)
        scale = 10 ** (PREFIX_DIGITS - len(str(low)))
        for prefix in range(low * scale, (high + 1) * scale):
            found[prefix] |= bits
    return found


# By the first digits, a bit for each length: a set for each would take 2.7 MB more, in every process.
_SIZES_BY_PREFIX: Final = _by_prefix()
_BEGINNINGS: Final = frozenset(
    str(prefix)[:size] for prefix, sizes in enumerate(_SIZES_BY_PREFIX) if sizes for size in range(1, PREFIX_DIGITS + 1)
)
_AMBIGUOUS: Final = 13
_AS_ON_CARDS: Final = frozenset(
    {
        (4, 6, 5),
        (4, 6, 4),
        (4, 4, 8),
        (8, 4, 4),
        (4, 12),
        (12, 4),
        (8, 8),
        (6, 10),
        (4, 8, 4),
        (6, 6, 4),
        (6, 13),
        (4, 3, 3, 3),
    }
)
_EVEN: Final = (4, 8)  # sizes of groups, but for the last one, that stand beside other numbers, too
_FOUR: Final = 4
_PAGE: Final = re.compile(r"\.(?:html?|php|aspx?|jsp)(?![a-z])", re.IGNORECASE)


def begins_card(digits: str) -> bool:
    """Tell whether digits may be the first ones of a card number, which has more of them."""
    return len(digits) < _SIZES.stop - 1 and digits[:PREFIX_DIGITS] in _BEGINNINGS


def _outside_ibans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the cards that are no piece of an IBAN: the account number of one in fifty passes for a card's."""
    others: Iterator[tuple[int, int]] | None = None
    begin = end = 0
    for start, stop in _cards(text):
        others = others or plain_ibans(text)
        while end <= start and (other := next(others, None)):
            begin, end = other
        if not begin <= start < end:
            yield start, stop


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for run in _RUN.finditer(text):
        if run.end() - run.start() < _SIZES.start:
            continue
        groups = [found.span() for found in _GROUP.finditer(text, run.start(), run.end())]
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
    digits = ""
    for at in range(first, min(first + _MOST_GROUPS, len(groups))):
        start, end = groups[at]
        if size + end - start >= _SIZES.stop:
            break
        more = text[start:end]
        digits += more
        for digit in map(int, more):
            even, odd = (even + DOUBLED[digit], odd + digit) if size & 1 == 0 else (even + digit, odd + DOUBLED[digit])
            size += 1
        if size in _SIZES and (odd if size & 1 else even) % 10 == 0 and _is_card(text, groups, first, at + 1, digits):
            found = at - first + 1
    return found


def _is_card(text: str, groups: list[tuple[int, int]], first: int, last: int, digits: str) -> bool:
    """Tell whether digits that pass the check, in the groups from `first` to `last` (exclusive), are a card's."""
    size = len(digits)
    if not _SIZES_BY_PREFIX[int(digits[:PREFIX_DIGITS])] >> size & 1 or digits.count(digits[0]) == size:
        return False
    start, end = groups[first][0], groups[last - 1][1]
    sizes = tuple(b - a for a, b in groups[first:last])
    if size == _AMBIGUOUS or _in_a_word(text, start, end) or not _written_as_card(text, groups, first, sizes):
        return named_as_card(text, start, end)
    return not _named_otherwise(text, groups, first, sizes[0]) and not _is_page(text, start, end)


def _named_otherwise(text: str, groups: list[tuple[int, int]], first: int, size: int) -> bool:
    """Tell whether a number is called something else; groups of the same size right before it belong to it."""
    if name_before(text, groups[first][0]) == "other":
        return True
    at, separator = first, _between(groups, text, first + 1)
    while (
        at
        and first - at < _MOST_GROUPS
        and groups[at - 1][1] - groups[at - 1][0] == size
        and _between(groups, text, at) == separator
    ):
        at -= 1
    return at < first and name_before(text, groups[at][0]) == "other"


def _written_as_card(text: str, groups: list[tuple[int, int]], first: int, sizes: tuple[int, ...]) -> bool:
    """Tell whether groups of these sizes are usual; what else is numbered may have odd ones beside it."""
    if len(sizes) == 1 or sizes in _AS_ON_CARDS or _even(sizes, _EVEN):
        return True
    last = first + len(sizes)
    between = {_between(groups, text, at) for at in range(first + 1, last)}
    if len(between) == 1:
        return between.isdisjoint({_between(groups, text, first), _between(groups, text, last)})
    return len(sizes) == len(groups) and all(size % _FOUR == 0 for size in sizes[:-1])


def _between(groups: list[tuple[int, int]], text: str, at: int) -> str:
    """Return what separates a group from the one before it; empty if there is none."""
    return text[groups[at - 1][1] : groups[at][0]] if 0 < at < len(groups) else ""


def _even(sizes: tuple[int, ...], allowed: tuple[int, ...]) -> bool:
    """Tell whether all groups have one of the sizes, and the same one but for a shorter last one."""
    return sizes[0] in allowed and set(sizes[:-1]) == {sizes[0]} and sizes[-1] <= sizes[0]


def _in_a_word(text: str, start: int, end: int) -> bool:
    """Tell whether letters touch the digits, or a plus: then they are part of an identifier or a telephone number."""
    before = text[max(start - 1, 0) : start]
    return before.isalpha() or before == "+" or text[end : end + 1].isalpha()


def _is_page(text: str, start: int, end: int) -> bool:
    """Tell whether the digits are the name of a page in a URL."""
    return text[max(start - 1, 0) : start] == "/" and _PAGE.match(text, end) is not None


payment_cards: Final = PlainDetector(_outside_ibans, rf"[0-9](?:{_SEPARATORS}{{0,4}}[0-9]){{12}}")
"""Yields (start, end) of card numbers, in order and without overlap."""
