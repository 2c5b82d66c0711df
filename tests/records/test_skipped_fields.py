"""Mutants: the rules skip one field each. The check that finds what rules have missed finds each, in that field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from bridge.records import blocks, normalise, session_records
from bridge.records.redactor import Redaction, Redactor
from bridge.records.rules import Rule
from bridge.transcript.attributes import flatten
from tests.records.text_in_every_field import BYTES, CARD, REACHED, clear_in, published, quarantined
from tests.support.core_forms import replaces_a_part

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.transcript.events import ChatEvent, Items

RULE: Final = Rule("card", detector="payment_card")

TEXTS: Final = {
    "Departure.reasonText": "departure.reasonText",
    "MessageText.messageType": "message.messageType",
    "MessageText.text": "message.text",
    "MessageText.treatAs": "message.treatAs",
    "NoticeText.noticeType": "notice.noticeType",
    "Party.nickname": "party.nickname",
    "Party.personId": "party.personId",
    "Party.protocolType": "party.protocolType",
    "Party.userType": "party.userType",
    "TranscriptEvent.visibility": "visibility",
}
"""Field -> its name where the redactor is called for it."""

MAPS: Final = {
    "TranscriptEvent.eventAttributes": ("eventAttributes", 0),
    "TranscriptEvent.eventAttributeTypes": ("eventAttributes", 1),
    "TranscriptEvent.userData": ("userData", 0),
    "TranscriptEvent.userDataTypes": ("userData", 1),
}
"""Field -> the collection that it is made from, and whether it has the values or the type words."""

FILE_KEYS: Final = {
    "FileReference.documentId": "file-document-id",
    "FileReference.fileId": "file-id",
    "FileReference.name": "file-name",
    "FileReference.source": "file-source",
}


class SkippingText(Redactor):
    """Leaves one text as it is."""

    __slots__ = ("_skipped",)

    def __init__(self, skipped: str) -> None:
        super().__init__([RULE])
        self._skipped = skipped

    def text(self, where: str, text: str, done: list[Redaction]) -> str:
        return text if where == self._skipped else super().text(where, text, done)


class SkippingItems(Redactor):
    """Leaves the keys, or what they lead to, of one of the maps of a collection as they are."""

    __slots__ = ("_keys", "_place", "_skipped")

    def __init__(self, skipped: str, place: int, *, keys: bool) -> None:
        super().__init__([RULE])
        self._skipped, self._place, self._keys = skipped, place, keys

    def items(self, where: str, items: Items, done: list[Redaction]) -> tuple[dict[str, str], dict[str, str]]:
        shown = super().items(where, items, done)
        if where != self._skipped:
            return shown
        plain = flatten(items)[self._place]
        clear = dict.fromkeys(plain, "") if self._keys else numbered(plain)
        return (clear, shown[1]) if self._place == 0 else (shown[0], clear)


class SkippingUnknown(Redactor):
    """Leaves the names or the values of unknown attributes as they are."""

    __slots__ = ("_keys",)

    def __init__(self, *, keys: bool) -> None:
        super().__init__([RULE])
        self._keys = keys

    def unknown(self, values: dict[str, str], done: list[Redaction]) -> dict[str, str]:  # noqa: ARG002
        return dict.fromkeys(values, "") if self._keys else numbered(values)


def numbered(values: dict[str, str]) -> dict[str, str]:
    """The values under names that hold nothing."""
    return {str(at): value for at, value in enumerate(values.values())}


def mutant(field: str, patch: pytest.MonkeyPatch) -> Redactor:
    """Return a redactor that skips a field, or patch what encodes the field."""
    name, _, key = field.partition(" ")
    if field in TEXTS:
        return SkippingText(TEXTS[field])
    if name in MAPS:
        return SkippingItems(*MAPS[name], keys=bool(key))
    if name == "TranscriptEvent.unknownAttributes":
        return SkippingUnknown(keys=bool(key))
    if field == "NoticeText.text":
        patch.setattr(
            normalise, "notice_block", lambda notice, _, *rest: blocks.notice_block(notice, notice.text, *rest)
        )
    else:
        patch.setattr(normalise, "file_block", file_block_without_rules(FILE_KEYS.get(field)))
    return Redactor([RULE])


def file_block_without_rules(key: str | None) -> Callable[[ChatEvent, str, dict[str, str], str | None], bytes | None]:
    """Return what takes the value of one key, or the action without a key, from the event."""

    def encode(event: ChatEvent, said: str, user_data: dict[str, str], size: str | None) -> bytes | None:
        plain = flatten(event.user_data)[0]
        if key is not None and key in plain:
            user_data = {**user_data, key: plain[key]}
        elif key is None and event.notice_text is not None:
            said = event.notice_text.text
        return blocks.file_block(event, said, user_data, size)

    return encode


@replaces_a_part
@pytest.mark.parametrize("field", sorted(REACHED))
def test_rules_that_skip_a_field_are_caught_in_that_field(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = mutant(field, monkeypatch)
    assert clear_in(published(CARD, redactor)) == {field}


@replaces_a_part
def test_rules_that_skip_quarantined_input_are_caught_there(monkeypatch: pytest.MonkeyPatch) -> None:
    redactor = Redactor([RULE])
    assert clear_in(quarantined(CARD, redactor)) == set()
    monkeypatch.setattr(session_records, "redacted_input", lambda raw, _: (raw, []))
    assert clear_in(quarantined(CARD, redactor)) == {BYTES}


def test_rules_that_skip_no_field_leave_nothing() -> None:
    assert clear_in(published(CARD, Redactor([RULE]))) == set()
