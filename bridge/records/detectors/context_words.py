"""Words beside a number that say what it is: a payment card's, a telephone's, or one of what else is numbered.

A run of digits that passes a card's check may be an order, a parcel or a device: one in ten of such numbers does. Of
the words before a number the last one that names anything decides, unless another number stands between: then that one
had the name. The words are in `vocabulary`.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from bridge.records.detectors.vocabulary import CARDS, NEUTRAL, NUMBER_WORDS, OTHERS, PERSONS, PHONES, alternatives

Name = Literal["card", "phone", "other"]

_BEFORE: Final = 72
"""Characters before a number in which a word is looked for."""
_AFTER: Final = 24

_NUMBER_WORD: Final = f"(?:{alternatives(NUMBER_WORDS)})"
_PERSON: Final = f"(?:{alternatives(PERSONS)})"
_OF_PERSON: Final = (
    rf"(?:{_NUMBER_WORD}|code|código|codice|kod)[. ]{{1,2}}(?:d[eio] |del |d')?{_PERSON}"
    rf"|{_PERSON}[ -]?(?:{_NUMBER_WORD}|id|ref)"
)
# Scripts without blanks between words have no boundary there.
_WORDS: Final = re.compile(
    rf"(?<![^\W\d_])(?:(?P<card>{alternatives(CARDS)})|"
    rf"(?P<phone>{alternatives(PHONES)})|(?P<other>{alternatives(OTHERS)}|{_OF_PERSON}))(?![^\W\d_])"
    r"|(?P<card_joined>カード|クレジット|卡|카드)|(?P<phone_joined>電話|电话|전화)"
    r"|(?P<other_joined>注文|追跡|伝票|订单|单号|运单|주문|송장)"
)
_CONNECTION: Final = re.compile(
    rf"(?:[ :#=(?/\"'«„“&.°º-]|(?:{_NUMBER_WORD}|{alternatives(NEUTRAL)})(?![^\W\d_]))*"
    r"(?::\s*)?(?:[a-z]{1,4}[-/ ]?)?"
)
"""What stands between a word and the number that it names: nothing that says something of its own."""
_NUMBER_SAID: Final = re.compile(rf"(?<![^\W\d_]){_NUMBER_WORD}(?![^\W\d_])")
_ABBREVIATION: Final = re.compile(r"^\w{1,4}\Z|(?:n[ro]|num)\Z")
_PHONE_SENTENCE_END: Final = re.compile(r"[?]\s|[^\W\d_]{5}[.]\s")
_DATE: Final = re.compile(r"[0-9]{1,4}([./-])[0-9]{1,2}\1[0-9]{2,4}(?![0-9])")
_JOINED: Final = re.compile(r"[0-9]{1,4}[/.-]\Z")
"""What may be the beginning of the same number, such as a year."""
_DIGIT: Final = re.compile(r"[0-9]")


def name_before(text: str, start: int) -> Name | None:
    """Return what the words before a number call it; None if they do not."""
    before = text[max(start - _BEFORE, 0) : start].casefold()
    word = _last(before)
    if word is None:
        return None
    between = _JOINED.sub("", _DATE.sub("", before[word.end() :]))
    if _DIGIT.search(between):
        return None
    name = _name(word)
    if name == "other" and not _connected(word.group(), between):
        return None
    if name == "phone" and _PHONE_SENTENCE_END.search(between):
        return None
    return name


def named_as_card(text: str, start: int, end: int) -> bool:
    """Tell whether words near a number say that it is a card's; those behind count if those before it say nothing."""
    return (name_before(text, start) or name_after(text, end)) == "card"


def name_after(text: str, end: int) -> Name | None:
    """Return what the first of the words right behind a number calls it, if one does."""
    word = _WORDS.search(text[end : end + _AFTER].casefold())
    return _name(word) if word else None


def _connected(word: str, between: str) -> bool:
    if _CONNECTION.fullmatch(between) is None or "? " in between:
        return False
    ends_sentence = ". " in between and _ABBREVIATION.search(word) is None
    return not ends_sentence or _NUMBER_SAID.search(between) is not None


def _name(word: re.Match[str]) -> Name:
    match (word.lastgroup or "").removesuffix("_joined"):
        case "card":
            return "card"
        case "phone":
            return "phone"
        case _:
            return "other"


def _last(text: str) -> re.Match[str] | None:
    """Return the last of the words."""
    last = None
    for last in _WORDS.finditer(text):  # noqa: B007 - the last one counts
        pass
    return last
