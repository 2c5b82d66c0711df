"""Finds personal data in text: payment cards, IBANs, e-mail addresses, telephone numbers.

A detector takes a text and yields the (start, end) of each find, in order and without overlap. Chat text comes from
strangers, so every one of them takes time linear in the length of the text, whatever it holds: no pattern here has a
repeat inside a repeat that could divide the same characters in two ways, and none looks further than a bounded
distance from where it starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bridge.records.detectors.emails import emails
from bridge.records.detectors.ibans import ibans
from bridge.records.detectors.payment_cards import payment_cards
from bridge.records.detectors.phones import phones

Detector = Callable[[str], Iterator[tuple[int, int]]]

__all__ = ["Detector", "emails", "ibans", "payment_cards", "phones"]
