"""What the rules of an output do to a text, to a JSON value and to a record, and each change with its place."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from bridge.errors import AttributesTooDeep
from bridge.records.redactor import not_among
from bridge.records.rules import GROUPS
from bridge.records.secret_names import SECRET, names_secret
from bridge.records.text_changes import TextPart
from bridge.transcript.attributes import MAX_DEPTH, MAX_PATH, escaped_key, flatten, typed_value, unflatten
from bridge.transcript.events import KVLIST, STRING, TYPE_WORDS, Item, Items

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from bridge.records.redactor import Redaction, Redactor


class FieldChange(NamedTuple):
    """What one rule did to one field. `place` is where it stands in the file, as people read it.

    `parts` are those of its text, or of its value; empty where the text has to stay unseen (secrets).
    """

    place: str
    field: str
    rule: str
    times: int
    parts: tuple[TextPart, ...] = ()


def redacted_text(redactor: Redactor, text: str) -> tuple[str, list[FieldChange]]:
    """Redact a whole text as one message; a change has the line in which it begins, with what is around it there."""
    parts = redactor.changes(text).parts
    changes: list[FieldChange] = []
    line, before = 1, ""  # what of the line is before the part
    for at, part in enumerate(parts):
        if part.rules:
            behind = _to_end_of_line(islice(parts, at + 1, None))
            shown = (TextPart(before, before), part, TextPart(behind, behind))
            marks = () if SECRET in part.rules else shown
            changes += [FieldChange(f"line {line}", "text", rule, 1, marks) for rule in part.rules]
        line += part.before.count("\n")
        before = (before + part.after).rpartition("\n")[2]
    return "".join(part.after for part in parts), changes


def _to_end_of_line(parts: Iterable[TextPart]) -> str:
    """Return what of the line these parts begin with, as it is before any rule has changed it."""
    shown = ""
    for part in parts:
        text, end, _ = part.before.partition("\n")
        shown += text
        if end:
            break
    return shown


def record_changes(redactor: Redactor, plain: dict[str, Any], record: dict[str, Any]) -> Iterator[FieldChange]:
    """Yield what was done to a decoded TranscriptEvent; `plain` is the same one without rules."""
    for redaction in record["redactions"]:
        before, after = (_value_at(one, redaction["field"]) for one in (plain, record))
        marks = _marks(redactor, before, after, redaction["rule"])
        yield FieldChange(record["id"], redaction["field"], redaction["rule"], redaction["count"], marks)


def _value_at(record: dict[str, Any], field: str) -> str | None:
    """Return the text of a field by the name that redactions give it; None if there is none."""
    name, _, inner = field.partition(".")
    value = record.get(name)
    if inner:
        value = value.get(inner) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _marks(redactor: Redactor, before: str | None, after: str | None, rule: str) -> tuple[TextPart, ...]:
    if before is None or rule == SECRET:
        return ()
    parts = tuple(redactor.changes(before).parts)
    if "".join(part.after for part in parts) == after:
        return parts
    return (TextPart(before, after or "", (rule,)),)


class _Place(NamedTuple):
    """Where an attribute is: its group, its path there, and the path as changes show it.

    An attribute of an event that is an attribute itself has a place in the group of each of the two.
    """

    group: str
    path: str = ""
    shown: str = ""
    depth: int = 0

    def below_name(self, name: str, shown: str) -> _Place:
        """Return the place of what has this name in a map here: at the top, a name may be a path."""
        path_of = escaped_key if self.depth else _path_of
        return self.below(path_of(name), path_of(shown))

    def below(self, path: str, shown: str) -> _Place:
        """Return the place of an attribute in this one, given its path from here."""
        return _Place(self.group, _below(self.path, path), _below(self.shown, shown), self.depth + 1)


_Places = tuple[_Place, ...]
_GONE: Final = object()


class JsonRedaction:
    """Redacts JSON values, and keeps the changes. `place` is where the next value stands in the file.

    The maps of attributes of an event (`userData`, ...) are redacted as those of events, flat as in records or as lists
    of items as on the wire; every other text as the text of a message. A value under the name of a secret is left out.
    """

    def __init__(self, redactor: Redactor) -> None:
        """Begin without changes."""
        self._redactor = redactor
        self.place = ""
        self.changes: list[FieldChange] = []

    def value(self, value: Any, path: str = "") -> Any:
        """Return a decoded value redacted; it is named by its path in the changes."""
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = _text_of(value)
            shown = self._text(text, path)
            return value if shown == text else shown
        if isinstance(value, list):
            return [self.value(inner, f"{path}[{at}]") for at, inner in enumerate(value)]
        if isinstance(value, dict):
            return self._object(value, path)
        return value

    def _object(self, value: dict[str, Any], path: str) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, inner in value.items():
            shown = self._key(key, path, {*kept, *value})
            if shown is None:
                continue
            below = _below(path, shown)
            kept[shown] = self._group(key, inner, below) if key in GROUPS else self.value(inner, below)
        return kept

    def _key(self, key: str, path: str, taken: Collection[str]) -> str | None:
        """Return a key redacted, with another name than those that are taken; None if it names a secret."""
        if names_secret(key):
            self.changes.append(FieldChange(self.place, _below(path, key), SECRET, 1))
            return None
        shown = self._text(key, _below(path, "(key)"))
        return shown if shown == key else not_among(taken, shown)

    def _text(self, text: str, path: str) -> str:
        parts = self._redactor.changes(text).parts
        rules = [rule for part in parts for rule in part.rules]
        for rule in dict.fromkeys(rules):
            marks = () if SECRET in rules else tuple(parts)
            self.changes.append(FieldChange(self.place, path, rule, rules.count(rule), marks))
        return "".join(part.after for part in parts)

    def _group(self, group: str, value: Any, path: str) -> Any:
        """Return attributes of an event redacted; what is neither form of them, as any other value."""
        if not isinstance(value, dict | list):
            return self.value(value, path)
        shown = self._attribute((_Place(group),), value, path) if value else value
        return type(value)() if shown is _GONE else shown

    def _attribute(self, places: _Places, value: Any, path: str) -> Any:
        """Return what an attribute is redacted, or _GONE: it is removed with its key. Raises AttributesTooDeep.

        Rules go by each of its places. Those of a list are the places of each value in it; what has lost all that was
        in it is gone.
        """
        if not value or not isinstance(value, dict | list):
            return self._scalar(places, value, path)
        _check_depth(places)
        if isinstance(value, dict):
            return self._map(places, value, path) or _GONE
        items = _items_of(value)
        if items is not None:
            return msgspec.to_builtins(self._items(places, items, path)) or _GONE
        shown = [self._attribute(places, inner, f"{path}[{at}]") for at, inner in enumerate(value)]
        return [one for one in shown if one is not _GONE] or _GONE

    def _map(self, places: _Places, value: dict[str, Any], path: str) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, inner in value.items():
            shown = self._key(key, path, {*kept, *value})
            if shown is None:
                continue
            below = tuple(place.below_name(key, shown) for place in places)
            if key in GROUPS and inner and isinstance(inner, dict | list):
                below += (_Place(key),)  # an event in an attribute: the rules about its attributes hold, too
            one = self._attribute(below, inner, _below(path, shown))
            if one is not _GONE:
                kept[shown] = one
        return kept

    def _items(self, places: _Places, items: Items, path: str) -> Items:
        """Return the attributes of a collection of the wire redacted: what is replaced has the type string."""
        kept: Items = []
        seen: Counter[str] = Counter()
        for item in items:
            shown = self._key(item.key, path, ())
            if shown is None:
                continue
            seen[item.key] += 1
            repeat = f"#{seen[item.key]}" if seen[item.key] > 1 else ""
            below = tuple(place.below(escaped_key(item.key) + repeat, escaped_key(shown) + repeat) for place in places)
            inside = _below(path, shown)
            word = item.type if item.type in TYPE_WORDS else self._text(item.type, inside)
            if isinstance(item.value, list) and item.value:
                _check_depth(below)
                inner = self._items(below, item.value, inside)
                if inner:
                    kept.append(Item(shown, word, inner))
                continue
            text = "" if isinstance(item.value, list) else item.value
            text = text if isinstance(text, str) else repr(text)  # as `flatten` writes numbers
            one = self._scalar(below, text, inside)
            if one is _GONE:
                continue
            if one != text:
                kept.append(Item(shown, STRING, one))
            elif isinstance(item.value, list):
                kept.append(Item(shown, KVLIST, []))
            else:
                kept.append(Item(shown, word, typed_value(text, word)))
        return kept

    def _scalar(self, places: _Places, value: Any, path: str) -> Any:
        """Return a value that has none in it: as it is, redacted as the text that a record has of it, or _GONE.

        Each place says what becomes of it as it came, so that none makes a pseudonym of a pseudonym; where two differ,
        the second one is asked about what the first one has left.
        """
        text = shown = _text_of(value)
        for at, place in enumerate(places):
            after, changes = self._at(place, text, path)
            if after is not None and after != shown and text not in {after, shown}:
                after, changes = self._at(place, shown, path)
            if after is None or at == 0 or after not in {text, shown}:
                self.changes += changes
            if after is None:
                return _GONE
            shown = after if after != text else shown
        return value if shown == text else shown

    def _at(self, place: _Place, text: str, path: str) -> tuple[str | None, list[FieldChange]]:
        """Return what the rules make of an attribute at one of its places, None if they drop it, and the changes."""
        done: list[Redaction] = []
        values = {place.path: text}
        self._redactor.attributes(place.group, values, {}, done, {place.path: place.shown})
        after = values.get(place.path)
        return after, [
            FieldChange(
                self.place,
                path if path.endswith("]") else one.field,  # of a list: which of its values
                one.rule,
                one.times,
                _marks(self._redactor, text, after, one.rule),
            )
            for one in done
        ]


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _text_of(value: Any) -> str:
    """Return a value of an attribute as the text that a record has of it."""
    if isinstance(value, str):
        return value
    return "" if isinstance(value, dict | list) else msgspec.json.encode(value).decode()


def _path_of(name: str) -> str:
    """Return the path that a name in a flat map is; of one that is no path, that of a key."""
    try:
        (path,) = flatten(unflatten({name: ""}, {}))[0]
    except ValueError:
        return escaped_key(name)
    return path


def _items_of(value: list[Any]) -> Items | None:
    """Return the attributes in the form of the wire; None if a list has another one."""
    try:
        return msgspec.convert(value, Items)
    except msgspec.ValidationError:
        return None


def _check_depth(places: _Places) -> None:
    """Raise AttributesTooDeep where `flatten` does: each path repeats what is above it."""
    if places[0].depth >= MAX_DEPTH or len(places[0].path) > MAX_PATH:
        raise AttributesTooDeep("attributes are nested too deeply")
