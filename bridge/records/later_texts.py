"""Messages that are known already when an earlier one of their party is recorded, and whether they complete a number.

A hold-back (`capture/held_back.py`) is what makes them known: without one, a message is recorded when it comes.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.records.detectors.beginnings import SPLIT_DETECTORS, may_begin
from bridge.records.detectors.plain_text import PlainText

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bridge.transcript.events import ChatEvent

    LaterTexts = Mapping[str, Sequence["LaterText"]]


class LaterText(NamedTuple):
    """A message of a party, as it was said."""

    event_id: int
    text: str


NOTHING_LATER: Final[LaterTexts] = MappingProxyType({})
"""LaterTexts are those of one chat: userId -> its messages, in the order of their ids."""


def texts_of(events: Iterable[ChatEvent]) -> dict[str, list[LaterText]]:
    """Return the messages among events of one chat. Of one that is told twice, the content that comes first counts."""
    found: dict[str, dict[int, str]] = {}
    for event in events:
        if event.message_text is not None:
            found.setdefault(event.user_id, {}).setdefault(event.event_id, event.message_text.text)
    return {user_id: [LaterText(*text) for text in sorted(said.items())] for user_id, said in found.items()}


def completed_by(texts: Iterable[str], detector: str, stand_in: str) -> bool:
    """Tell whether a number that began so (`beginnings`) is completed by a party's next messages, as they are redacted.

    They are read only as far as they go on with it.
    """
    split = SPLIT_DETECTORS[detector]
    for text in texts:
        shown = PlainText(text).shown
        if split.completion(stand_in, shown) is not None:
            return True
        found = split.beginning(stand_in, shown) if may_begin(text) else None
        if found is None or not found.joined:
            return False
        stand_in = found.stand_in
    return False
