"""Redaction: secrets always, more by rule. Records what was done, never the value.

P5: an attribute is removed when any part of its path, or its value, names a secret (`secret_names`); of another text
that holds one, every letter and digit is masked. Rules reach every text that people can write, escaped or not: texts,
words that are not the protocol's, and values, names and type words of attributes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from bridge.errors import ConfigError
from bridge.records import detectors, patterns
from bridge.records.attribute_rules import AttributeRules
from bridge.records.detectors.beginnings import SPLIT_DETECTORS
from bridge.records.detectors.plain_text import PlainDetector, PlainText
from bridge.records.escapes import EscapedText, unescaped
from bridge.records.rules import BUILT_IN, check, replacement, version_of
from bridge.records.secret_names import SECRET, names_secret, without_secret
from bridge.records.split_numbers import SplitRule
from bridge.records.text_changes import TextChanges
from bridge.transcript.attributes import flatten
from bridge.transcript.events import TYPE_WORDS, Item

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from bridge.records.detectors import Detector
    from bridge.records.pseudonyms import HashKey
    from bridge.records.rules import Rule
    from bridge.transcript.events import Items

_UNKNOWN: Final = "unknownAttributes"
_ESCAPED_IN_PATH: Final = re.compile(r"\\(.)")

_KNOWN_NAMES: Final = 1_024
_LONGEST_KNOWN_NAME: Final = 128


class Redaction(NamedTuple):
    """What the rule of this name did to one field; `times` is the number of values or matches.

    `earlier` are the ids of records that hold the other parts of a number which this record completes.
    """

    field: str
    rule: str
    times: int
    earlier: tuple[str, ...] = ()


class Redactor:
    """The rules, compiled: one for each output; what it remembers only saves work.

    `rule_set` is the version of its rules, as records have it; None if only secrets are removed. `typing_previews`:
    whether what people type and have not sent is left in typing notices. `globs` are names and attributes of the rules
    that drop, mask or hash attributes; with `has_allow_list`, attributes that nothing names are dropped, too.
    `split_rules` are those about numbers that are found over several messages, by detector.
    """

    __slots__ = (
        "_actions",
        "_by_path",
        "_by_pattern",
        "_by_text",
        "_known_names",
        "_rules",
        "globs",
        "has_allow_list",
        "has_rules",
        "rule_set",
        "split_rules",
        "typing_previews",
    )

    def __init__(self, rules: Sequence[Rule] = (), key: HashKey | None = None, *, typing_previews: bool = True) -> None:
        """Compile the rules; `key` is that of action `hash`. Raises ConfigError naming every invalid one."""
        self._rules = tuple(rules)
        self.typing_previews = typing_previews
        self.has_rules = bool(rules)
        self.globs = [(rule.name, rule.attribute) for rule in rules if rule.attribute and rule.action != "allow"]
        self._actions = {**BUILT_IN, **{rule.name: rule.action for rule in rules}}
        self.take_key(key)

    def take_key(self, key: HashKey | None) -> None:
        """Make the pseudonyms with this key from now on. Raises ConfigError naming every invalid rule."""
        self._by_path = AttributeRules()
        self._by_text: list[tuple[str, Detector, Callable[[str], str]]] = []
        self._by_pattern: list[tuple[str, Detector, Callable[[str], str]]] = []  # those of them that may find any text
        self._known_names: dict[str, tuple[str, list[Redaction]]] = {}
        problems: list[str] = []
        for rule in self._rules:
            try:
                self._add(rule, key)
            except ValueError as error:
                problems.append(f"rule {rule.name}: {error}")
        if problems:
            raise ConfigError("; ".join(problems))
        self.split_rules = {
            rule.detector: SplitRule(rule.name, replacement(rule, key))
            for rule in reversed(self._rules)  # the first rule is the one that counts
            if rule.detector is not None and rule.detector in SPLIT_DETECTORS
        }
        self.has_allow_list = self._by_path.has_allow_list
        self.rule_set = version_of(self._rules, key, typing_previews=self.typing_previews)

    def action_of(self, rule: str) -> str:
        """Return the action of a rule, given its name: that of one of the settings, or `secret`."""
        return self._actions.get(rule, rule)

    def _add(self, rule: Rule, key: HashKey | None) -> None:
        check(rule)
        if rule.attribute is not None:
            self._by_path.add(rule, key)
        elif rule.detector == "regex":
            self._by_pattern.append((rule.name, patterns.compiled(rule.pattern or ""), replacement(rule, key)))
            self._by_text.append(self._by_pattern[-1])
        elif rule.detector in _DETECTORS:
            self._by_text.append((rule.name, _DETECTORS[rule.detector], replacement(rule, key)))
        else:
            raise ValueError(f"unknown detector {rule.detector}")

    def text(self, where: str, text: str, done: list[Redaction]) -> str:
        """Return a text redacted, and append to `done`. `where` names the field.

        Every match of the detectors is replaced; a text that holds a secret is masked as a whole.
        """
        masked = without_secret(text)
        if masked is not None:
            done.append(Redaction(where, SECRET, 1))
            text = masked
        return self._detected(where, text, done) if self._by_text else text

    def changes(self, text: str) -> TextChanges:
        """Return the same with the places: each part of a text with what is put there, and by which rules."""
        found = TextChanges(text)
        masked = without_secret(text)
        if masked is not None:
            found.add(SECRET, [(0, len(text), masked)])
            text = masked
        self._detected("", text, [], found)
        return found

    def word(self, where: str, word: str | None, known: frozenset[str], done: list[Redaction]) -> str | None:
        """Return a word of the protocol as it is, and any other as `text` does: anything may stand in its place."""
        return word if word is None or word in known else self.text(where, word, done)

    def _detected(self, where: str, text: str, done: list[Redaction], changes: TextChanges | None = None) -> str:
        """Return a text with every match of the detectors replaced, also what they find behind escapes."""
        if detectors.nothing_in(text):
            rules, escapes = self._by_pattern, False  # each kind of escape has a character that may hide something
            if not rules:
                return text
        else:
            rules, escapes = self._by_text, unescaped(text) is not text
        plain = PlainText(text)
        for name, detect, replace in rules:
            times = 0
            if escapes:  # first, because an escape may look like a part of what follows it
                escaped = EscapedText(text)
                finds = _finds(escaped.shown, detect(escaped.shown), replace, escaped.place)
                if finds:
                    text, times = _with(text, finds), len(finds)
                    plain = PlainText(text)
                    if changes is not None:
                        changes.add(name, finds)
            finds = _finds(text, _spans(detect, text, plain), replace, None)
            if finds:
                text, times = _with(text, finds), times + len(finds)
                plain = PlainText(text)
                if changes is not None:
                    changes.add(name, finds)
            if times:
                done.append(Redaction(where, name, times))
        return text

    def items(self, where: str, items: Items, done: list[Redaction]) -> tuple[dict[str, str], dict[str, str]]:
        """Return a KeyValueCollection as flat maps of values and types, redacted, and append to `done`.

        What is replaced has the type string. Raises AttributesTooDeep.
        """
        values, types = flatten(items)
        if not self._by_text and not _path_names_secret("\n".join(values)):
            self.attributes(where, values, types, done)
            return values, types
        shown = self._names_redacted(where, items, done)
        if shown is items:
            self.attributes(where, values, types, done)
            return values, types
        # Rules go by the true path; the record, and what it says was done, show the redacted one.
        shown_values, shown_types = flatten(shown)
        names = dict(zip((*values, *types), (*shown_values, *shown_types), strict=True))
        self.attributes(where, values, types, done, names)
        return {names[path]: value for path, value in values.items()}, {names[path]: w for path, w in types.items()}

    def _names_redacted(self, where: str, items: Items, done: list[Redaction]) -> Items:
        """Return the items with redacted keys; the same list if there is nothing to redact."""
        kept: Items = []
        changed = False
        for item in items:
            key = self._name(where, item.key, done)
            inner = self._names_redacted(where, item.value, done) if isinstance(item.value, list) else item.value
            same = key == item.key and inner is item.value
            changed |= not same
            kept.append(item if same else Item(key, item.type, inner))
        return kept if changed else items

    def _name(self, where: str, name: str, done: list[Redaction]) -> str:
        """Return a key redacted. Few keys are in use, so what became of the shorter ones is remembered."""
        known = self._known_names.get(name)
        if known is None:
            did: list[Redaction] = []
            known = self.text("", name, did), did
            if len(name) <= _LONGEST_KNOWN_NAME:
                if len(self._known_names) >= _KNOWN_NAMES:
                    self._known_names.clear()  # P6: a flood of keys costs time, not memory
                self._known_names[name] = known
        if known[1]:
            done += [one._replace(field=where) for one in known[1]]
        return known[0]

    def attributes(
        self,
        where: str,
        values: dict[str, str],
        types: dict[str, str],
        done: list[Redaction],
        names: Mapping[str, str] | None = None,
    ) -> None:
        """Redact values of a flat map, and the map of their types, in place; append to `done`, attribute by attribute.

        `names` are the paths as `done` shows them.
        """
        names = names or {}
        if values and (_path_names_secret("\n".join(values)) or names_secret("\n".join(values.values()))):
            for path in [path for path, value in values.items() if _path_names_secret(path) or names_secret(value)]:
                del values[path]
                types.pop(path, None)
                done.append(Redaction(f"{where}.{names.get(path, path)}", SECRET, 1))
        if self.has_rules:
            self._follow_rules(where, values, types, done, names)
        for path, word in types.items():
            if word not in TYPE_WORDS:
                types[path] = self.text(f"{where}.{names.get(path, path)}", word, done)

    def unknown(self, values: dict[str, str], done: list[Redaction]) -> dict[str, str]:
        """Return unknown attributes (name -> text, which may be JSON), redacted like others."""
        kept = dict(values)
        names: dict[str, str] = {}
        for name in values:
            shown = self._name(_UNKNOWN, name, done)
            if shown != name:
                taken = {*names.values(), *values}
                names[name] = not_among(taken, shown)
        self.attributes(_UNKNOWN, kept, {}, done, names)
        return {names.get(name, name): text for name, text in kept.items()} if names else kept

    def _follow_rules(
        self,
        where: str,
        values: dict[str, str],
        types: dict[str, str],
        done: list[Redaction],
        names: Mapping[str, str],
    ) -> None:
        for path, rule in self._by_path.follow(where, values, types):
            done.append(Redaction(f"{where}.{names.get(path, path)}", rule, 1))
        if not self._by_text:
            return
        for path, value in values.items():
            shown = values[path] = self._detected(f"{where}.{names.get(path, path)}", value, done)
            if shown != value:
                types.pop(path, None)


def _path_names_secret(path: str) -> bool:
    return names_secret(_ESCAPED_IN_PATH.sub(r"\1", path) if "\\" in path else path)


def _spans(detect: Detector, text: str, plain: PlainText) -> Iterator[tuple[int, int]]:
    """Return what a detector finds in a text; `plain` is what some of them see of it."""
    return detect.finds(plain) if isinstance(detect, PlainDetector) else detect(text)


def _finds(
    shown: str,
    found: Iterator[tuple[int, int]],
    replace: Callable[[str], str],
    place: Callable[[int], int] | None,
) -> list[tuple[int, int, str]]:
    """Return (start, end, what is put there) of what was found in `shown`; `place` leads from there to the text."""
    finds = [(start, end, replace(shown[start:end])) for start, end in found]
    return [(place(start), place(end), put) for start, end, put in finds] if place else finds


def not_among(taken: Collection[str], shown: str) -> str:
    """Return a name, with a number behind it where others already have it."""
    name, number = shown, 1
    while name in taken:
        number += 1
        name = f"{shown}#{number}"
    return name


def _with(text: str, finds: list[tuple[int, int, str]]) -> str:
    pieces: list[str] = []
    at = 0
    for start, end, put in finds:
        pieces += (text[at:start], put)
        at = end
    return "".join(pieces) + text[at:]


_DETECTORS: Final[dict[str | None, Detector]] = {
    "payment_card": detectors.payment_cards,
    "iban": detectors.ibans,
    "email": detectors.emails,
    "phone": detectors.phones,
}
