"""Finds personal data in text: payment cards, IBANs, e-mail addresses, telephone numbers.

A detector takes a text and yields the (start, end) of each find, in order and without overlap. Chat text comes from
strangers, so every one of them takes time linear in the length of the text, whatever it holds: no pattern here has a
repeat inside a repeat that could divide the same characters in two ways, and none looks further than a bounded
distance from where it starts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from bridge.records.detectors.emails import emails
from bridge.records.detectors.ibans import ibans
from bridge.records.detectors.payment_cards import payment_cards
from bridge.records.detectors.phones import phones

Detector = Callable[[str], Iterator[tuple[int, int]]]

_NOTHING: Final = re.compile(r"[^0-9@&\\\[({<\x80-\U0010ffff]*\Z")


def nothing_in(text: str) -> bool:
    """Tell at once of most texts that no detector finds anything in them, and that no number begins at their end.

    A number has a digit. An address has a sign, or a word for it in brackets. Both may be written as an escape or an
    entity, or in characters outside of ASCII.
    """
    return _NOTHING.match(text) is not None


__all__ = ["Detector", "emails", "ibans", "nothing_in", "payment_cards", "phones"]
