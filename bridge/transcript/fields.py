"""The attributes of an event: one row each, with the names they have in every form and the version that brought them.

Derived from the table: what Chat Server withholds from a ClientVersion (`chatserver.versions`), what the tolerant
reading keeps in which shape (`chatserver.psdk_tolerant`), the stored form (`archive.ucs_elements`), and which parts of
two fingerprints may be compared (`fingerprints`). `tests/architecture/test_field_table.py` checks it against the types
in `events`, the Avro schemas and the records.

A new attribute that has no field yet is one row with `attribute` None: it arrives among the unknown attributes, is
withheld from lower versions, compared apart from the rest, and published in unknownAttributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import UnionType
from typing import TYPE_CHECKING, Final, get_args

import msgspec

from bridge.transcript.events import ChatEvent, Item

if TYPE_CHECKING:
    from collections.abc import Mapping


class FingerprintGroup(Enum):
    """The part of a fingerprint that an attribute belongs to: its attributes are compared together, or not at all."""

    KEY = "not compared: the fingerprint is kept under it"
    FRAME = "always compared; the same in all versions"
    USER_DATA = "compared if both versions carry userData on this type of event"
    EVENT_ATTRIBUTES = "compared if both versions carry eventAttributes"
    NEWER = "compared if both versions carry what came after ClientVersion 106"
    UNKNOWN = "compared if one field table has seen both: what it does not name is hashed apart"
    TEXT = "always compared, a masked text apart from a changed one"


@dataclass(slots=True, frozen=True, eq=False)
class EventField:
    """One attribute of an event. Rows are constants and compared by identity.

    `attribute`: its place in ChatEvent, with a dot below a part; None while it has no field. `since`: the first
    ClientVersion that is sent it; `on_notices_since`: the first on events of type notice, where that is another one.
    `json`: its name on the JSON line wire, with a dot below a part. `stored`: its place in the element of the event in
    the stored form, as `name()`, `@attribute`, `element`, `element/@attribute` or `element/text()`. `avro`: the field
    of a TranscriptEvent, with a dot below a part. `source`: see the protocol facts.
    """

    attribute: str | None
    since: int
    json: str
    stored: str
    avro: str
    group: FingerprintGroup
    source: str
    on_notices_since: int | None = None

    def is_carried(self, version: int | None, *, notice: bool) -> bool:
        """Tell whether a client of `version` is sent it; None stands for a source that withholds nothing."""
        since = self.on_notices_since if notice and self.on_notices_since is not None else self.since
        return version is None or max(version, _LOWEST) >= since


_LOWEST: Final = 101  # what a client is taken for that declares none (D1 DOC), or a lower one (ASM)
_KEY: Final = FingerprintGroup.KEY
_FRAME: Final = FingerprintGroup.FRAME
_TEXT: Final = FingerprintGroup.TEXT

# fmt: off
# The order of attributes and of parts is the one in which the stored form is written.
EVENT_FIELDS: Final = (
    EventField("event_type", 101, "eventType", "name()", "kind", _FRAME, "R1-R5 OBS"),
    EventField("user_id", 101, "userId", "@userId", "party.userId", _FRAME, "R1-R5 OBS"),
    EventField("time_shift", 101, "timeShift", "@timeShift", "timeShift", _FRAME, "R1-R5 OBS"),
    EventField("visibility", 101, "visibility", "@visibility", "visibility", _FRAME, "R1-R3 OBS; D3 DOC"),
    EventField("event_id", 101, "eventId", "@eventId", "eventId", _KEY, "R1-R5 OBS"),
    EventField("asker_id", 101, "askerId", "@askerId", "departure.askerId", _FRAME, "R1-R5 OBS"),
    EventField("receiver_id", 101, "receiverId", "@receiverId", "receiverId", _FRAME, "D2 DOC; the spelling is ASM"),
    EventField(
        "user_info.person_id", 101, "userInfo.personId", "userInfo/@personId", "party.personId", _FRAME, "R1-R3 OBS"
    ),
    EventField(
        "user_info.user_nickname", 101, "userInfo.userNickname", "userInfo/@userNick", "party.nickname", _FRAME,
        "R1-R5 OBS",
    ),
    EventField(
        "user_info.user_type", 101, "userInfo.userType", "userInfo/@userType", "party.userType", _FRAME,
        "R1-R5 OBS; D3 DOC",
    ),
    EventField(
        "user_info.protocol_type", 101, "userInfo.protocolType", "userInfo/@protocolType", "party.protocolType", _FRAME,
        "R1-R5 OBS; D1 DOC",
    ),
    EventField(
        "user_info.time_zone_offset", 101, "userInfo.timeZoneOffset", "userInfo/@timeZoneOffset",
        "party.timeZoneOffset", _FRAME, "R1-R3 OBS",
    ),
    EventField(
        "user_info.client_version", 101, "userInfo.clientVersion", "userInfo/@clientVersion", "party.clientVersion",
        _FRAME, "R1 OBS; R5 OBS",
    ),
    EventField(
        "notice_text.notice_type", 101, "noticeText.noticeType", "noticeText/@noticeType", "notice.noticeType", _FRAME,
        "R1, R3, R5 OBS",
    ),
    # Of a notice that has a message text as well, this one is compared with the frame.
    EventField("notice_text.text", 101, "noticeText.text", "noticeText/text()", "notice.text", _TEXT, "R1, R3, R5 OBS"),
    EventField("reason.code", 101, "reason.code", "reason/@code", "departure.reasonCode", _FRAME, "R1-R3 OBS"),
    EventField("reason.text", 101, "reason.text", "reason/text()", "departure.reasonText", _FRAME, "R1-R3 OBS"),
    EventField(
        "message_text.message_type", 101, "messageText.messageType", "msgText/@msgType", "message.messageType", _FRAME,
        "R2, R3 OBS; D14 DOC",
    ),
    EventField(
        "message_text.treat_as", 101, "messageText.treatAs", "msgText/@treatAs", "message.treatAs", _FRAME,
        "R1-R3 OBS; D13 DOC",
    ),
    EventField("message_text.text", 101, "messageText.text", "msgText/text()", "message.text", _TEXT, "R1-R5 OBS"),
    EventField(
        "user_data", 101, "userData", "userData", "userData", FingerprintGroup.USER_DATA,
        "D1 row 104: on notices (stated for flex; basic likewise is ASM); on other events R1-R5 OBS",
        on_notices_since=104,
    ),
    EventField(
        "event_attributes", 106, "eventAttributes", "eventAttributes", "eventAttributes",
        FingerprintGroup.EVENT_ATTRIBUTES, "D1 row 106 (server 8.5.109.06)",
    ),
    # Ours, in all forms: what an event carries beyond the rows above.
    EventField(
        "unknown_attributes", 101, "unknownAttributes", "unknownAttributes", "unknownAttributes",
        FingerprintGroup.UNKNOWN, "this project (section 9)",
    ),
)
"""Every attribute that is known."""
# fmt: on

_FIELD_TYPES: Final = {field.name: field.type for field in msgspec.structs.fields(ChatEvent)}

PARTS: Final[Mapping[str, type[msgspec.Struct]]] = {
    name: kind
    for name, union in _FIELD_TYPES.items()
    if isinstance(union, UnionType)
    for kind in get_args(union)
    if issubclass(kind, msgspec.Struct)
}
"""Field of ChatEvent -> type of the part that it holds."""

COLLECTIONS: Final = frozenset(name for name, kind in _FIELD_TYPES.items() if kind == list[Item])
"""Fields of ChatEvent that hold a KeyValueCollection."""


def parts_by_name(fields: tuple[EventField, ...] = EVENT_FIELDS) -> dict[str, type[msgspec.Struct]]:
    """Return the parts by their names on the JSON line wire."""
    return {
        field.json.partition(".")[0]: PARTS[part]
        for field in fields
        if field.attribute is not None and (part := field.attribute.partition(".")[0]) in PARTS
    }


def collections_by_name(fields: tuple[EventField, ...] = EVENT_FIELDS) -> frozenset[str]:
    """Return the names of the collections on the JSON line wire."""
    return frozenset(field.json for field in fields if field.attribute in COLLECTIONS)
