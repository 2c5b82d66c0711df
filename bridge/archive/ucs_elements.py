"""The elements of a stored transcript, and the event that an element holds.

The field table has the place of each attribute (`transcript.fields`; protocol facts, section 3). Everything else in
the element is kept under `unknown_attributes`: an attribute by its name, an element by its name (its text, or
JSON text if it has attributes or children), text outside of any known place as `strayText`. An attribute of a part has
the name that it has on the live wire (`messageText.foo`), so that an event is the same whichever way it came. A
repeated name is numbered: `name#2`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, get_args

import msgspec

from bridge.transcript.attributes import typed_value
from bridge.transcript.bounds import EVENT_IDS, INT32
from bridge.transcript.events import ALL, KVLIST, STRING, ChatEvent, Item
from bridge.transcript.fields import COLLECTIONS, EVENT_FIELDS, PARTS, EventField

if TYPE_CHECKING:
    from bridge.transcript.events import Items

BLANK: Final = " \t\r\n"
_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")


@dataclass(slots=True, frozen=True)
class PartElement:
    """A child element that holds a part of an event.

    `live_name` is the part's name on the live wire, `event_field` the field of ChatEvent; `texts` and `numbers` map an
    attribute of the element to the field of `kind`; `has_text`: the element's own text is the field `text`.
    """

    kind: type[msgspec.Struct]
    live_name: str
    event_field: str
    texts: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    has_text: bool = False


def part_elements(fields: tuple[EventField, ...] = EVENT_FIELDS) -> dict[str, PartElement]:
    """Return the elements of parts by name, in the order of the table."""
    found: dict[str, PartElement] = {}
    for row in fields:
        part, _, name = (row.attribute or "").partition(".")
        if not name:
            continue
        element, _, place = row.stored.partition("/")
        kind = PARTS[part]
        known = found.setdefault(element, PartElement(kind, row.json.partition(".")[0], part))
        if place == "text()":
            found[element] = replace(known, has_text=True)
        elif _is_number(kind, name):
            known.numbers[place.removeprefix("@")] = name
        else:
            known.texts[place.removeprefix("@")] = name
    return found


def _is_number(kind: type[msgspec.Struct], name: str) -> bool:
    [found] = [each.type for each in msgspec.structs.fields(kind) if each.name == name]
    return found is int or int in get_args(found)


def own_attributes(fields: tuple[EventField, ...] = EVENT_FIELDS) -> dict[str, str]:
    """Return the attributes of the element itself and the fields of ChatEvent that they hold, in the table's order."""
    return {row.stored[1:]: row.attribute for row in fields if row.attribute is not None and row.stored[0] == "@"}


PART_ELEMENTS: Final = part_elements()
COLLECTION_ELEMENTS: Final = {row.stored: row.attribute for row in EVENT_FIELDS if row.attribute in COLLECTIONS}
OWN_ATTRIBUTES: Final = own_attributes()
_SPECIAL: Final = {"event_id", "time_shift", "visibility"}  # a number, or with a value for what is absent
_IDENTIFIERS: Final = {name: attribute for name, attribute in OWN_ATTRIBUTES.items() if attribute not in _SPECIAL}

UNKNOWN_ATTRIBUTES: Final = "unknownAttributes"
"""This project's element for what has no place in the stored form: items, name -> text."""

UNNAMED_EVENT: Final = "event"
EVENT_TYPE: Final = "eventType"
"""This project's attribute, of an element UNNAMED_EVENT: a type that cannot be the name of an element."""


@dataclass(slots=True)
class Element:
    """One element. `texts` are the pieces of its own text; `line` counts from 1."""

    name: str
    attributes: dict[str, str]
    line: int
    texts: list[str] = field(default_factory=list)
    children: list[Element] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The element's own text, without that of its children."""
        return "".join(self.texts)


@dataclass(slots=True)
class Kept:
    """What an event carries that its type has no field for. `stray` counts characters of text in odd places."""

    values: dict[str, str] = field(default_factory=dict)
    stray: int = 0
    _counts: dict[str, int] = field(default_factory=dict)

    def add(self, name: str, text: str) -> None:
        """Keep `text` under `name`, or under `name#n` when there is one already."""
        key = name
        while key in self.values:
            count = self._counts[name] = self._counts.get(name, 1) + 1
            key = f"{name}#{count}"
        self.values[key] = text

    def add_stray(self, name: str, element: Element) -> None:
        """Keep the element's own text unless it is blank."""
        if text := element.text.strip(BLANK):
            self.add(name, text)
            self.stray += len(text)


def number(text: str | None, within: range) -> int | None:
    """Return the integer that `text` spells, blanks around it ignored; None if it is none or not `within` the range."""
    stripped = (text or "").strip(BLANK)
    if not _NUMBER.fullmatch(stripped):
        return None
    value = int(stripped)
    return value if value in within else None


def event_of(element: Element, kept: Kept) -> ChatEvent | None:
    """Return the event that a child of the root holds, None without a readable eventId.

    An unreadable timeShift counts as 0 and is `kept`, with everything else that has no field of its own.
    """
    rest = dict(element.attributes)
    event_id = number(rest.pop("eventId", None), EVENT_IDS)
    if event_id is None:
        return None
    fields: dict[str, Any] = {}
    shift = number(rest.get("timeShift"), INT32)
    if shift is not None:
        del rest["timeShift"]
    for name, field_name in _IDENTIFIERS.items():
        if name in rest:
            fields[field_name] = rest.pop(name).strip(BLANK)
    visibility = rest.pop("visibility", ALL).strip(BLANK)
    # Under any other name it is somebody else's attribute, and the name is the type.
    event_type = rest.pop(EVENT_TYPE, element.name) if element.name == UNNAMED_EVENT else element.name
    for name, text in rest.items():
        kept.add(name, text)
    kept.add_stray("strayText", element)
    for child in element.children:
        _read_child(child, fields, kept)
    return ChatEvent(
        event_type,
        event_id,
        time_shift=shift or 0,
        visibility=visibility,
        unknown_attributes=kept.values,
        **fields,
    )


def _read_child(child: Element, fields: dict[str, Any], kept: Kept) -> None:
    part = PART_ELEMENTS.get(child.name)
    if part is not None and part.event_field not in fields:
        fields[part.event_field] = _read_part(child, part, kept)
    elif child.name in COLLECTION_ELEMENTS and COLLECTION_ELEMENTS[child.name] not in fields:
        fields[COLLECTION_ELEMENTS[child.name]] = _read_items(child, child.name, kept)
        for name, text in child.attributes.items():
            kept.add(f"{child.name}.{name}", text)
    elif child.name == UNKNOWN_ATTRIBUTES and _is_list_of_unknown(child):
        for item in child.children:
            kept.add(item.attributes["key"], item.text)
    else:
        kept.add(child.name, _as_text(child))


def _is_list_of_unknown(unknown: Element) -> bool:
    plain = all(
        item.name == "item" and list(item.attributes) == ["key"] and not item.children for item in unknown.children
    )
    return plain and not unknown.attributes and not unknown.text.strip(BLANK)


def _read_part(element: Element, part: PartElement, kept: Kept) -> msgspec.Struct:
    values: dict[str, Any] = {}
    for name, text in element.attributes.items():
        if name in part.texts:
            values[part.texts[name]] = text
        elif name in part.numbers and (value := number(text, INT32)) is not None:
            values[part.numbers[name]] = value
        else:
            kept.add(f"{part.live_name}.{name}", text)
    if part.has_text:
        values["text"] = element.text
    else:
        kept.add_stray(f"{part.live_name}.strayText", element)
    for child in element.children:
        kept.add(f"{part.live_name}.{child.name}", _as_text(child))
    return part.kind(**values)


def _read_items(element: Element, collection: str, kept: Kept) -> Items:
    """Return the items below `element`; one without a type is a string (R2, R3), or a list if it has items."""
    items: Items = []
    kept.add_stray(f"{collection}.strayText", element)
    for child in element.children:
        if child.name != "item":
            kept.add(f"{collection}.{child.name}", _as_text(child))
            continue
        key, word = child.attributes.get("key", ""), child.attributes.get("type")
        if any(inner.name == "item" for inner in child.children):
            items.append(Item(key, word or KVLIST, _read_items(child, collection, kept)))
        else:
            if word == KVLIST and not child.text.strip(BLANK):
                items.append(Item(key, KVLIST, []))
            else:
                items.append(Item(key, word or STRING, typed_value(child.text, word or STRING)))
            for inner in child.children:  # they make no list of it: as a list without items its type would be lost
                kept.add(f"{collection}.{inner.name}", _as_text(inner))
        for name, text in child.attributes.items():
            if name not in ("key", "type"):
                kept.add(f"{collection}.item.{name}", text)
    return items


def _as_text(element: Element) -> str:
    """Return the content of an unknown element: its text if there is nothing else, JSON text otherwise."""
    if not element.attributes and not element.children:
        return element.text
    return msgspec.json.encode(_as_data(element)).decode()


def _as_data(element: Element) -> dict[str, Any]:
    return {
        "attributes": element.attributes,
        "text": element.text,
        "children": [{"name": child.name, **_as_data(child)} for child in element.children],
    }
