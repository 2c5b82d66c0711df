"""How people type numbers: what stands between the digits, and which digits; no dependency on the bridge."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tests.detection.labelled_texts import SpelledValue

if TYPE_CHECKING:
    from random import Random

_BETWEEN_GROUPS: Final = {
    "blank": " ",
    "no-break blank": "\u00a0",
    "narrow blank": "\u202f",
    "thin blank": "\u2009",
    "ideographic blank": "\u3000",
    "double blank": "  ",
    "tab": "\t",
    "hyphen": "-",
    "no-break hyphen": "\u2011",
    "figure dash": "\u2012",
    "en dash": "\u2013",
    "em dash": "\u2014",
    "minus": "\u2212",
    "soft hyphen": "\u00ad",
    "hyphen between blanks": " - ",
    "en dash between blanks": " \u2013 ",
    "dot": ".",
    "middle dot": "\u00b7",
    "slash": "/",
    "slash between blanks": " / ",
    "comma": ",",
    "comma and blank": ", ",
    "line break": "\n",
    "line break and return": "\r\n",
    "blank and line break": " \n",
    "zero-width blank": "\u200b",
    "word joiner": "\u2060",
    "byte order mark": "\ufeff",
    "entity nbsp": "&nbsp;",
    "numeric entity": "&#160;",
    "hexadecimal entity": "&#x202F;",
}
_DIGITS: Final = {
    "full-width digits": 0xFF10,
    "Arabic-Indic digits": 0x0660,
    "Persian digits": 0x06F0,
    "Devanagari digits": 0x0966,
    "Bengali digits": 0x09E6,
    "Thai digits": 0x0E50,
    "mathematical digits": 0x1D7CE,
}
_DIRECTIONS: Final = (("\u202a", "\u202c"), ("\u200e", "\u200e"), ("\u2066", "\u2069"), ("\u200f", ""))

Cut = Callable[[str], list[str]]


def fours(number: str) -> list[str]:
    return [number[at : at + 4] for at in range(0, len(number), 4)]


def as_printed(number: str) -> list[str]:
    """Groups as on the card: of fifteen digits four, six, five; of fourteen four, six, four."""
    if len(number) in {14, 15}:
        return [number[:4], number[4:10], number[10:]]
    return fours(number)


def pairs(number: str) -> list[str]:
    return [number[at : at + 2] for at in range(0, len(number), 2)]


def threes(number: str) -> list[str]:
    """Groups of three, the last of up to five."""
    cuts = range(0, len(number) - 2, 3)
    return [number[at : at + 3] for at in cuts[:-1]] + [number[cuts[-1] :]]


def whole(number: str) -> list[str]:
    return [number]


def _uneven(number: str, draw: Random) -> list[str]:
    groups, at = [], 0
    while at < len(number):
        size = draw.randint(2, 6)
        groups.append(number[at : at + size])
        at += size
    return groups


def join(groups: list[str], separators: list[str], spelling: str) -> SpelledValue:
    """The groups with a separator after each but the last; the characters of the groups are what tells the value."""
    text = ""
    telling: list[int] = []
    for group, separator in zip(groups, [*separators, ""], strict=True):
        telling += range(len(text), len(text) + len(group))
        text += group + separator
    return SpelledValue(text, tuple(telling), spelling)


def _joined(groups: list[str], separator: str, spelling: str) -> SpelledValue:
    return join(groups, [separator] * (len(groups) - 1), spelling)


def in_script(number: str, zero: int) -> str:
    return "".join(chr(zero + int(sign)) if sign.isascii() and sign.isdigit() else sign for sign in number)


def bare(number: str) -> SpelledValue:
    return _joined([number], "", "bare")


def grouped(number: str, draw: Random, cut: Cut) -> SpelledValue:
    name = draw.choice(list(_BETWEEN_GROUPS))
    return _joined(cut(number), _BETWEEN_GROUPS[name], name)


def _other_digits(number: str, draw: Random, cut: Cut) -> SpelledValue:
    name = draw.choice(list(_DIGITS))
    return _joined(cut(in_script(number, _DIGITS[name])), draw.choice(("", " ", "-")), name)


def _directed(number: str, draw: Random, cut: Cut) -> SpelledValue:
    before, after = draw.choice(_DIRECTIONS)
    return _joined(cut(number), draw.choice(("", " ")), "direction marks").after(before) + after


def _mixed(number: str, draw: Random, cut: Cut) -> SpelledValue:
    groups = cut(number)
    return join(groups, [draw.choice((" ", "", "-", ".", "  ", "\u00a0")) for _ in groups[1:]], "mixed separators")


def _blanks(number: str, _: Random) -> SpelledValue:
    return _joined(as_printed(number), " ", "blank")


def _bare(number: str, _: Random) -> SpelledValue:
    return bare(number)


_OF_CARDS: Final[dict[Callable[[str, Random], SpelledValue], int]] = {
    _bare: 15,
    _blanks: 10,
    lambda number, draw: grouped(number, draw, draw.choice((fours, as_printed))): 35,
    lambda number, draw: _other_digits(number, draw, as_printed): 16,
    lambda number, draw: _directed(number, draw, as_printed): 4,
    lambda number, draw: _mixed(number, draw, as_printed): 4,
    lambda number, draw: _joined(list(number), draw.choice((" ", "-", ".", "\u200b", "\u00a0")), "digit by digit"): 6,
    lambda number, draw: _joined(pairs(number), draw.choice((" ", "-", ".", "\u00a0")), "pairs"): 5,
    lambda number, draw: _joined(_uneven(number, draw), draw.choice((" ", "-")), "uneven groups"): 5,
}


def of_card(number: str, draw: Random) -> SpelledValue:
    """A card's number in one of all spellings, the usual ones more often."""
    spell = draw.choices(list(_OF_CARDS), list(_OF_CARDS.values()))[0]
    return spell(number, draw)


def of_iban(number: str, draw: Random) -> SpelledValue:
    chance = draw.random()
    lower = draw.random() < 0.25
    typed = number.lower() if lower else number
    if chance < 0.2:
        spelled = bare(typed)
    elif chance < 0.4:
        spelled = _joined(fours(typed), " ", "blank")
    elif chance < 0.75:
        spelled = grouped(typed, draw, fours)
    elif chance < 0.83:
        wide = "".join(chr(ord(sign) + 0xFEE0) for sign in typed)
        spelled = _joined(fours(wide), draw.choice(("", " ")), "full-width digits")
    elif chance < 0.88:
        spelled = _other_digits(typed, draw, fours)
    elif chance < 0.92:
        spelled = _directed(typed, draw, fours)
    elif chance < 0.96:
        spelled = _mixed(typed, draw, fours)
    else:
        spelled = _joined([typed[:2], *pairs(typed[2:])], " ", "pairs")
    return SpelledValue(spelled.text, spelled.telling, f"lower case, {spelled.spelling}" if lower else spelled.spelling)


def of_reference(number: str, draw: Random) -> SpelledValue:
    """What is no card, as companies print it and people copy it."""
    chance = draw.random()
    if chance < 0.6:
        return bare(number)
    separator, name = draw.choice(
        ((" ", "blank"), ("-", "hyphen"), ("\u00a0", "no-break blank"), (".", "dot"), ("/", "slash"))
    )
    if chance < 0.9:
        return _joined(fours(number), separator, name)
    return _joined(_uneven(number, draw), separator, "uneven groups")
