"""Finds what a number may begin with at the end of a text, and what of the next text goes on with it.

A beginning is not kept as it was said, but as other characters that the check of a card or an IBAN takes for the same:
what is remembered of a chat may lie where more people read than what was said in it (P5). The issuer's first digits of
a card, the country and check digits of an IBAN, and all lengths are what they were.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, product
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.records.detectors.context_words import name_before
from bridge.records.detectors.ibans import begins_iban, ibans
from bridge.records.detectors.payment_cards import DOUBLED, PREFIX_DIGITS, begins_card, payment_cards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_SEPARATOR: Final = r"[ \t\r\n.,/_|*:;'~-]"
_GROUP: Final = re.compile(r"[0-9]+")
_DIGITS: Final = re.compile(rf"[0-9]+(?:{_SEPARATOR}{{1,4}}[0-9]+)*")
# Words may stand behind four digits or more, and before what goes on with them.
_BEHIND_FEW: Final = re.compile(r"[\W_]{0,8}\Z")
_BEHIND_FOUR: Final = re.compile(r"(?!\w)\D{0,24}\Z")
_FOUR: Final = 4
_BEFORE_DIGITS: Final = re.compile(r"\D{0,12}?(?<![\w+])(?=[0-9])")
_GOES_ON: Final = re.compile(r"[.,:][0-9]")  # an address, an amount or a time
_COUNTRY: Final = re.compile(
    rf"(?<![A-Za-z0-9])[A-Za-z](?={_SEPARATOR}{{0,4}}[A-Za-z](?:{_SEPARATOR}{{0,4}}[0-9]){{2}})"
)
_TO_THE_END: Final = re.compile(rf"([A-Za-z0-9](?:{_SEPARATOR}{{0,4}}[A-Za-z0-9])*)[\W_]{{0,8}}\Z")
_BEFORE_ACCOUNT: Final = re.compile(r"[\W_]{0,8}(?=[A-Za-z0-9])")
_NOT_OF_ACCOUNT: Final = re.compile(r"[^A-Za-z0-9]+")

_REACH: Final = 160
"""Characters at the ends of a text that are looked at: no number is longer, however it is written."""
_NEAR_THE_END: Final = 64
"""Characters in which a text has a digit if a number may begin or go on at its end: most texts have none."""
_ANY_DIGIT: Final = re.compile(r"\d")  # of any script: texts as they were said are asked
_CARD_WORD: Final = "card "  # what `named_as_card` reads
_SUBSTITUTED: Final = 3
_IBAN_HEAD: Final = 4
_MODULUS: Final = 97
_REMAINDER: Final = 2  # digits


def may_begin(text: str) -> bool:
    """Tell whether a number may begin or go on at the end of a text as it was said."""
    return _ANY_DIGIT.search(text[-_NEAR_THE_END:]) is not None


class Beginning(NamedTuple):
    """What a number may begin with. `joined`: it began in an earlier text already.

    `start` and `end` are where in the text what it begins, or goes on, with is.
    """

    stand_in: str
    joined: bool
    start: int
    end: int


@dataclass(slots=True, frozen=True)
class SplitDetector:
    """How numbers of one kind are found over several texts. All texts are as `PlainText` shows them."""

    _before: re.Pattern[str]
    _end: Callable[[str, int], Beginning | None]
    _completed: Callable[[str, str, int], int | None]

    def completion(self, stand_in: str, text: str) -> tuple[int, int] | None:
        """Return (start, end) of what in a text completes the number that began so; None if nothing does."""
        start = self._start(text)
        if start is None:
            return None
        end = self._completed(stand_in, text, start)
        return None if end is None else (start, end)

    def beginning(self, stand_in: str | None, text: str) -> Beginning | None:
        """Return what a number may begin with at the end of a text; `stand_in` is what the text before ended with."""
        start = None if stand_in is None or len(text) > _REACH else self._start(text)
        if start is not None:
            cut = len(stand_in or "") + 1
            found = self._end(f"{stand_in} {text[start:]}", cut)
            if found is not None and found.joined:
                return found._replace(start=start, end=start + found.end - cut)
        return self._end(text, 0)

    def _start(self, text: str) -> int | None:
        """Return where a text may go on with a number; None: not at all, or with one that has a name of its own."""
        before = self._before.match(text)
        if before is None or name_before(text, before.end()) in {"other", "phone"}:
            return None
        return before.end()


def _crossing(finds: Iterator[tuple[int, int]], cut: int) -> int | None:
    """Return the end of the find that begins before `cut` and ends behind it."""
    return next((end for start, end in finds if start < cut < end), None)


def _completed_card(stand_in: str, text: str, start: int) -> int | None:
    """Return the end of the digits from `start` on that complete a card's number."""
    run = _DIGITS.match(text, start, start + _REACH)
    if run is None:
        return None
    groups = list(_GROUP.finditer(text, *run.span()))
    said = " ".join(one.group() for one in groups) + text[run.end() : run.end() + _REACH]
    sizes = accumulate(len(one.group()) + 1 for one in groups)
    ends = {size - 1: one.end() for size, one in zip(sizes, groups, strict=True)}
    for between in (" ", ""):  # a group may have been divided, too
        cut = len(stand_in) + len(between)
        end = _crossing(payment_cards(f"{stand_in}{between}{said}"), cut)
        if end is not None and _GOES_ON.match(text, ends[end - cut]) is None:
            return ends[end - cut]
    return None


def _completed_iban(stand_in: str, text: str, start: int) -> int | None:
    """Return the end of the letters and digits from `start` on that complete an IBAN."""
    cut = len(stand_in) + 1
    end = _crossing(ibans(f"{stand_in} {text[start : start + _REACH]}"), cut)
    return None if end is None else start + end - cut


def _card_at_end(text: str, cut: int) -> Beginning | None:
    """Return what of the digits at the end may be a card's; those before `cut` stand for an earlier text's."""
    found = _last_digits(text)
    groups, starts = [one.group() for one in found], [one.start() for one in found]
    possible = [at for at in range(len(groups)) if begins_card("".join(groups[at:]))]
    name = name_before(text, starts[possible[0]]) if possible else "other"
    if name in {"other", "phone"}:
        return None
    first = possible[0]
    sizes = [len(group) for group in groups[first:]]
    kept = sum(sizes[: possible[-1] - first]) + PREFIX_DIGITS
    digits = _same_sums("".join(groups[first:]), kept)
    ends = list(accumulate(sizes))
    stand_in = " ".join(digits[end - size : end] for size, end in zip(sizes, ends, strict=True))
    word = _CARD_WORD if name == "card" else ""
    return Beginning(f"{word}{stand_in}", starts[first] < cut, starts[first], found[-1].end())


def _last_digits(text: str) -> list[re.Match[str]]:
    """Return the groups of digits with which a text ends, but for a few characters."""
    runs = list(_DIGITS.finditer(text, max(len(text) - _REACH, 0)))
    if not runs:
        return []
    groups = list(_GROUP.finditer(text, *runs[-1].span()))
    behind = _BEHIND_FOUR if len(groups[-1].group()) >= _FOUR else _BEHIND_FEW
    if behind.match(text, runs[-1].end()) is None:
        return []
    before = text[max(groups[0].start() - 1, 0) : groups[0].start()]
    return groups[1:] if before.isalpha() or before == "+" else groups


def _same_sums(digits: str, kept: int) -> str:
    """Return other digits with the same sums in Luhn's check, whatever follows; the first ones are kept."""
    rest = digits[kept:]
    if len(rest) <= _SUBSTITUTED:
        return digits
    last = _substitutes(len(rest) - _SUBSTITUTED & 1)[_sums(rest, 0)]
    return digits[:kept] + "0" * (len(rest) - _SUBSTITUTED) + last


@cache
def _substitutes(odd: int) -> Mapping[tuple[int, int], str]:
    """Return the lowest last digits for each pair of sums: all pairs occur."""
    found: dict[tuple[int, int], str] = {}
    for last in map("".join, product("0123456789", repeat=_SUBSTITUTED)):
        found.setdefault(_sums(last, odd), last)
    return found


def _sums(digits: str, odd: int) -> tuple[int, int]:
    """Return the sums with every second digit doubled, from the first on and from the second on."""
    numbers = [int(one) for one in digits]
    doubled = [DOUBLED[one] for one in numbers]
    even_sum = sum(doubled[odd::2]) + sum(numbers[1 - odd :: 2])
    odd_sum = sum(numbers[odd::2]) + sum(doubled[1 - odd :: 2])
    return even_sum % 10, odd_sum % 10


def _iban_at_end(text: str, cut: int) -> Beginning | None:
    """Return what at the end may be the beginning of an IBAN; what is before `cut` stands for an earlier text's."""
    for country in _COUNTRY.finditer(text, max(len(text) - _REACH, 0)):
        rest = _TO_THE_END.match(text, country.start())
        said = _NOT_OF_ACCOUNT.sub("", rest[1]).upper() if rest else ""
        if rest and begins_iban(said):
            stand_in = said[:_IBAN_HEAD] + _same_remainder(said[_IBAN_HEAD:])
            return Beginning(stand_in, country.start() < cut, country.start(), rest.end(1))
    return None


def _same_remainder(account: str) -> str:
    """Return digits of the same length that leave the same remainder in ISO 7064's check."""
    if len(account) <= _REMAINDER:
        return account
    remainder = int("".join(str(int(char, 36)) for char in account)) % _MODULUS
    return f"{remainder:0{len(account)}}"


SPLIT_DETECTORS: Final = {
    "iban": SplitDetector(_BEFORE_ACCOUNT, _iban_at_end, _completed_iban),
    "payment_card": SplitDetector(_BEFORE_DIGITS, _card_at_end, _completed_card),
}
"""Those of numbers that are found over several texts, in the order in which they are tried."""
