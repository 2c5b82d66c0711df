"""What the rules of an output do to a text, to a JSON value and to a record, and each change with its place."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from bridge.records.redactor import not_among
from bridge.records.rules import GROUPS
from bridge.records.secret_names import SECRET, names_secret
from bridge.records.text_changes import TextPart
from bridge.transcript.attributes import escaped_key, flatten, unflatten
from bridge.transcript.events import STRING, Item, Items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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
        if isinstance(value, int) and not isinstance(value, bool):
            shown = self._text(str(value), path)
            return value if shown == str(value) else shown
        if isinstance(value, list):
            return [self.value(inner, f"{path}[{at}]") for at, inner in enumerate(value)]
        if isinstance(value, dict):
            return self._object(value, path)
        return value

    def _object(
        self, value: dict[str, Any], path: str, inside: Callable[[str, Any, str], Any] | None = None
    ) -> dict[str, Any]:
        """Return an object redacted; `inside` does so with a value, given its key and the path that changes name."""
        kept: dict[str, Any] = {}
        for key, inner in value.items():
            if names_secret(key):
                self.changes.append(FieldChange(self.place, _below(path, key), SECRET, 1))
                continue
            shown = self._text(key, _below(path, "(key)"))
            if shown != key:
                shown = not_among({*kept, *value}, shown)
            if inside is not None:
                kept[shown] = inside(key, inner, _below(path, shown))
            else:
                kept[shown] = self._group(key, inner, path) if key in GROUPS else self.value(inner, _below(path, shown))
        return kept

    def _text(self, text: str, path: str) -> str:
        parts = self._redactor.changes(text).parts
        rules = [rule for part in parts for rule in part.rules]
        for rule in dict.fromkeys(rules):
            marks = () if SECRET in rules else tuple(parts)
            self.changes.append(FieldChange(self.place, path, rule, rules.count(rule), marks))
        return "".join(part.after for part in parts)

    def _group(self, group: str, value: Any, path: str) -> Any:
        """Return attributes of an event redacted; what is neither form of them, as any other value."""
        if isinstance(value, dict):
            return self._map(group, value, "", _below(path, group))
        try:
            items = msgspec.convert(value, list[Item])
        except msgspec.ValidationError:
            return self.value(value, _below(path, group))
        return msgspec.to_builtins(unflatten(*self._attributes(group, items)))

    def _map(self, group: str, value: dict[str, Any], above: str, path: str) -> dict[str, Any]:
        """Return a map of attributes redacted; `above` is the path of the attribute that it is, with a dot, if any."""
        texts = {name: _text_of(one) for name, one in value.items() if isinstance(one, str | int | float)}
        items = _items_of({above + escaped_key(name) if above else name: text for name, text in texts.items()})
        names = dict(zip(flatten(items)[0], texts, strict=True))
        values, _ = self._attributes(group, items)
        shown = [(names.get(shown, shown.removeprefix(above)), text) for shown, text in values.items()]
        kept = {name: value[name] if texts.get(name) == text else text for name, text in shown}

        def inside(name: str, one: Any, below: str) -> Any:
            return self._nested(group, one, above + (escaped_key(name) if above else name) + ".", below)

        others = self._object({name: one for name, one in value.items() if name not in texts}, path, inside)
        return kept | {name if name not in kept else not_among(kept, name): one for name, one in others.items()}

    def _nested(self, group: str, value: Any, above: str, path: str) -> Any:
        """Return what is in an attribute: of an object, and of each in a list, the rules go by the whole path."""
        if isinstance(value, dict):
            return self._map(group, value, above, path)
        if isinstance(value, list):
            return [self._nested(group, inner, above, f"{path}[{at}]") for at, inner in enumerate(value)]
        return self.value(value, path)

    def _attributes(self, group: str, items: Items) -> tuple[dict[str, str], dict[str, str]]:
        done: list[Redaction] = []
        plain, _ = flatten(items)
        values, types = self._redactor.items(group, items, done)
        for field, rule, times, _ in done:
            name = field.removeprefix(f"{group}.")
            marks = _marks(self._redactor, plain.get(name), values.get(name), rule)
            self.changes.append(FieldChange(self.place, field, rule, times, marks))
        return values, types


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _text_of(value: str | float) -> str:
    """Return a value of an attribute as the text that a record has of it."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _items_of(texts: dict[str, str]) -> Items:
    """Return the attributes of a flat map; where its names are no paths, each is a key."""
    try:
        return unflatten(texts, {})
    except ValueError:
        return [Item(name, STRING, text) for name, text in texts.items()]
