"""Opens what is sealed in decoded records: gives them back as they would be in an output that is not sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.errors import VerificationFailed
from bridge.sealing.chat_seal import are_sealed, is_sealed, may_be_opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bridge.sealing.chat_seal import ChatSeal

    Open = Callable[[str, str], str]
    """Opens one text: takes the name of its field and the sealed text."""

PARTY: Final = "party."
"""What the names of fields of a party begin with: they are sealed for the party, whatever the number of the record."""
_NO_FORM: Final = "begins like a sealed text, and has not its form: damaged, or typed in clear"
BYTES: Final = "bytes"
"""The field of quarantined input that is sealed."""
_PARTS: Final = {
    "message": {"text": "message.text", "messageType": "message.messageType", "treatAs": "message.treatAs"},
    "notice": {"text": "notice.text", "noticeType": "notice.noticeType"},
    "party": {
        "nickname": "party.nickname",
        "userType": "party.userType",
        "protocolType": "party.protocolType",
        "personId": "party.personId",
    },
    "departure": {"reasonText": "departure.reasonText"},
    "file": {
        "fileId": "userData.file-id",
        "name": "userData.file-name",
        "source": "userData.file-source",
        "documentId": "userData.file-document-id",
        "action": "notice.text",
    },
}
"""Part of an event -> its texts that may be sealed -> the names under which they were."""
TYPES: Final = "#types"
_MAPS: Final = {
    "userData": "userData",
    "userDataTypes": f"userData{TYPES}",
    "eventAttributes": "eventAttributes",
    "eventAttributeTypes": f"eventAttributes{TYPES}",
    "unknownAttributes": "unknownAttributes",
}


def is_sealed_event(event: dict[str, Any]) -> bool:
    """Tell whether anything in a decoded TranscriptEvent is sealed."""
    found = False

    def look(_: str, text: str) -> str:
        nonlocal found
        found = True
        return text

    _event_with(event, look)
    return found


def opened_event(event: dict[str, Any], seal: ChatSeal) -> dict[str, Any]:
    """Return a decoded TranscriptEvent in clear. Raises VerificationFailed when the seal does not open something."""

    def opened(field: str, text: str) -> str:
        return seal.opened(field, sequence_of(field, event["sequence"]), text)

    return _event_with(event, opened)


def opened_as_far_as_possible(event: dict[str, Any], seal: ChatSeal | str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a decoded TranscriptEvent in clear, and of each text that stays as it is: field -> reason.

    `seal` is that of the chat, or why there is none. A text that only begins like a sealed one is among those that
    stay: it is damaged, or was typed in clear.
    """
    left: dict[str, str] = {}

    def opened(field: str, text: str) -> str:
        if not may_be_opened(text):
            left[field] = _NO_FORM
            return text
        if isinstance(seal, str):
            left[field] = seal
            return text
        try:
            return seal.opened(field, sequence_of(field, event["sequence"]), text)
        except VerificationFailed as error:
            left[field] = error.message.removeprefix(f"{field}: ")
            return text

    return _event_with(event, opened, is_sealed), left


def sequence_of(field: str, sequence: int) -> int:
    """Return the number for which a field of the record with this number is sealed."""
    return 0 if field.startswith(PARTY) else sequence


def opened_input(data: bytes, seals: Iterable[ChatSeal]) -> bytes:
    """Return the bytes of quarantined input, all parts together, in clear: one of the seals opens it.

    What is not sealed is returned as it is. Raises VerificationFailed when none opens it.
    """
    if not are_sealed(data):
        return data
    failed: VerificationFailed | None = None
    for seal in seals:
        try:
            return seal.opened_bytes(BYTES, data)
        except VerificationFailed as error:
            failed = error
    raise failed or VerificationFailed("bytes: sealed, and there is no key")


def _event_with(
    event: dict[str, Any], change: Open, is_changed: Callable[[str], bool] = may_be_opened
) -> dict[str, Any]:
    """Return an event with each sealed text changed, or with each for which `is_changed` holds."""

    def changed(field: str | None, value: Any) -> Any:
        return change(field, value) if field is not None and isinstance(value, str) and is_changed(value) else value

    plain = dict(event)
    for part, names in _PARTS.items():
        if event[part] is not None:
            plain[part] = {name: changed(names.get(name), value) for name, value in event[part].items()}
    for name, field in _MAPS.items():
        plain[name] = {path: changed(f"{field}.{path}", value) for path, value in event[name].items()}
    plain["visibility"] = changed("visibility", event["visibility"])
    return plain
