"""Compares two records of one event: the captured one, and the one that its stored form gives.

Both are decoded TranscriptEvents, so that the privacy rules have done the same to both; where their rules differ, what
rules have changed in one of them is not compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.reconciliation.compared_texts import text_difference
from bridge.reconciliation.differences import (
    FIELD_CHANGED,
    FILE_AMENDED,
    NOT_CARRIED,
    OTHER_RULES,
    SEALED,
    STORED_DAMAGED,
    TEXT_CHANGED,
    Difference,
)
from bridge.sealing.chat_seal import may_be_opened
from bridge.transcript.bounds import LOST
from bridge.transcript.entries import NOTICE, PARTY_JOINED
from bridge.transcript.events import SYS_COMMAND, TYPING_STARTED, TYPING_STOPPED
from bridge.transcript.fields import EVENT_FIELDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

Record = dict[str, Any]

TYPING: Final = frozenset((TYPING_STARTED, TYPING_STOPPED))
FILE_UPLOADED: Final = "file-uploaded"
FILE_DELETED: Final = "file-deleted"
_FILE_ID: Final = "file-id"
_TEXTS: Final = (("message", "text"), ("notice", "text"))
_PLAIN: Final = ("visibility", "receiverId")
_PARTS: Final = (
    ("message", ("messageType", "treatAs")),
    ("notice", ("noticeType",)),
    ("departure", ("askerId", "reasonCode", "reasonText")),
)
_OF_PARTY: Final = ("nickname", "userType", "protocolType", "personId", "timeZoneOffset", "clientVersion")
_MAPS: Final = ("userData", "userDataTypes", "eventAttributes", "eventAttributeTypes", "unknownAttributes")
_MAP_OF_TYPES: Final = {"userDataTypes": "userData", "eventAttributeTypes": "eventAttributes"}
_NOT_ALWAYS_STORED: Final = frozenset(
    (
        "message.treatAs",  # absent in R1
        "party.clientVersion",  # newer servers only: R1, R5
        "userDataTypes",  # older servers write no type word: R2, R3
        "eventAttributeTypes",  # likewise
        "unknownAttributes",  # of this project's own forms
    )
)
"""What a stored transcript may lack although the event had it."""
_COLLECTIONS: Final = {
    name: field
    for field in EVENT_FIELDS
    for name in {
        "user_data": ("userData", "userDataTypes"),
        "event_attributes": ("eventAttributes", "eventAttributeTypes"),
    }.get(field.attribute or "", ())
}


def user_of(record: Record) -> str:
    """Return the userId of an event's party; empty if it has none."""
    return record["party"]["userId"] if record["party"] else ""


def identity_of(record: Record) -> tuple[str, str, int | None]:
    """Return what never changes of an event: kind, author, second."""
    return record["kind"], user_of(record), record["timeShift"]


def text_of(record: Record) -> str:
    """Return the text of the message or, without one, of the notice."""
    part = record["message"] or record["notice"]
    return part["text"] if part else ""


def notice_type_of(record: Record) -> str:
    """Return the type of a notice; empty if it is none."""
    return record["notice"]["noticeType"] if record["notice"] else ""


def is_typing(record: Record) -> bool:
    """Tell whether it is a typing notice."""
    return notice_type_of(record) in TYPING


def deleted_files(records: Collection[Record]) -> set[str]:
    """Return the ids of the files that notices say were deleted."""
    return {record["userData"].get(_FILE_ID, "") for record in records if _command(record) == FILE_DELETED}


def texts_agree(captured: Record, stored: Record) -> bool:
    """Tell whether the texts are the same, or differ as is expected."""
    return not any(one.code == TEXT_CHANGED for one in _text_differences(captured, stored))


def event_differences(captured: Record, stored: Record, deleted: Collection[str]) -> list[Difference]:
    """Return how two records of one event differ; identities are not compared. `deleted`: ids of deleted files."""
    event_id = stored["eventId"]
    found = list(_text_differences(captured, stored))
    changed: list[str] = []
    for name, before, after in _values(captured, stored):
        if before == after:
            continue
        code = SEALED if _holds_sealed(before) else _code_of(name, captured, stored, deleted)
        if code == FIELD_CHANGED and _is_under_other_rules(name, captured, stored):
            code = OTHER_RULES
        if code == FIELD_CHANGED:
            changed.append(name)
        else:
            found.append(Difference(code, event_id, name))
    if changed:
        found.append(Difference(FIELD_CHANGED, event_id, ", ".join(changed)))
    return found


def _text_differences(captured: Record, stored: Record) -> Iterator[Difference]:
    for part, name in _TEXTS:
        before, after = captured[part], stored[part]
        if not before or not after:
            continue  # compared with the other parts
        field = f"{part}.{name}"
        if may_be_opened(before[name]):
            yield Difference(SEALED, stored["eventId"], field)
            continue
        redacted = any(one["field"] == field for one in captured["redactions"])
        code = text_difference(before[name], after[name], redacted=redacted)
        if code == TEXT_CHANGED and _is_under_other_rules(field, captured, stored):
            code = OTHER_RULES
        if code is not None:
            yield Difference(code, stored["eventId"], field)


def _is_under_other_rules(name: str, captured: Record, stored: Record) -> bool:
    """Tell whether rules have changed a field, or a map and what is in it, and those of the two records differ."""
    if captured["ruleSet"] == stored["ruleSet"]:
        return False
    field = _MAP_OF_TYPES.get(name, name)
    redacted = [one["field"] for record in (captured, stored) for one in record["redactions"]]
    return any(one == field or one.startswith(f"{field}.") for one in redacted)


def _values(captured: Record, stored: Record) -> Iterator[tuple[str, Any, Any]]:
    """Yield (name, captured value, stored value); an absent part, text or map is None."""
    for name in _PLAIN:
        yield name, captured[name] or None, stored[name] or None
    for part, names in _PARTS:
        before, after = captured[part], stored[part]
        if part != "departure":
            yield part, before is not None, after is not None
        for name in names:
            yield f"{part}.{name}", _value(before, name), _value(after, name)
    if captured["kind"] == PARTY_JOINED:
        for name in _OF_PARTY:
            yield f"party.{name}", _value(captured["party"], name), _value(stored["party"], name)
    for name in _MAPS:
        yield name, captured[name] or None, stored[name] or None


def _holds_sealed(value: Any) -> bool:
    """Tell whether a text is sealed, or one of a map."""
    texts = value.values() if isinstance(value, dict) else (value,)
    return any(isinstance(text, str) and may_be_opened(text) for text in texts)


def _value(part: Record | None, name: str) -> Any:
    value = part[name] if part else None
    return None if value == "" else value


def _code_of(name: str, captured: Record, stored: Record, deleted: Collection[str]) -> str:
    """Return the code of a difference in an attribute."""
    part, _, inner = name.partition(".")
    after = _value(stored[part], inner) if inner else stored[part]
    if name in _NOT_ALWAYS_STORED and not after:
        return NOT_CARRIED
    if name in ("userDataTypes", "eventAttributeTypes") and _only_fewer(captured[name], stored[name]):
        return NOT_CARRIED
    if name in ("userData", "userDataTypes") and _is_amended_file(captured, stored, deleted):
        return FILE_AMENDED
    if after is not None and LOST in repr(after):
        return STORED_DAMAGED
    return NOT_CARRIED if _is_withheld(name, captured) else FIELD_CHANGED


def _only_fewer(captured: dict[str, str], stored: dict[str, str]) -> bool:
    return stored.items() <= captured.items()


def _is_amended_file(captured: Record, stored: Record, deleted: Collection[str]) -> bool:
    """Tell whether the stored notice is that of an uploaded file, and says that the file was deleted later."""
    if _command(stored) != FILE_UPLOADED or stored["userData"].get(_FILE_ID, "") not in deleted:
        return False
    added = {FILE_DELETED: stored["userData"].get(FILE_DELETED)}
    return bool(captured["userData"] | added == stored["userData"])


def _command(record: Record) -> str:
    """Return the command word of a SYS_COMMAND notice; empty if it is none."""
    return record["notice"]["text"] if notice_type_of(record) == SYS_COMMAND else ""


def _is_withheld(name: str, captured: Record) -> bool:
    """Tell whether the captured event lacks an attribute that its connection's ClientVersion was not sent."""
    field = _COLLECTIONS.get(name)
    if field is None or captured[name]:
        return False
    return not field.is_carried(captured["session"]["clientVersion"], notice=captured["kind"] == NOTICE)
