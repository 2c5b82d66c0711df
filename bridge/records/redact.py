"""Redaction: secrets always, more by rule. Records what was done, never the value.

P5: an attribute is removed when any part of its path, or its value, names a secret (`secret_names`); of another text
that holds one, every letter and digit is masked. Rules reach every text that people can write, escaped or not: texts,
words that are not the protocol's, and values, names and type words of attributes.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from fnmatch import translate
from functools import partial
from itertools import chain, count
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from bridge.errors import ConfigError
from bridge.records import detectors, patterns
from bridge.records.detectors.beginnings import SPLIT_DETECTORS
from bridge.records.escapes import EscapedText, unescaped
from bridge.records.secret_names import SECRET, names_secret, without_secret
from bridge.records.split_numbers import SplitRule
from bridge.transcript.attributes import flatten
from bridge.transcript.events import TYPE_WORDS, Item

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bridge.records.detectors import Detector
    from bridge.transcript.events import Items

Action = Literal["drop", "mask", "hash"]

_HASH_DIGITS: Final = 16
_UNKNOWN: Final = "unknownAttributes"

_END_OF_PART: Final = r"(?:\.|\Z)"
_ESCAPED_IN_PATH: Final = re.compile(r"\\(.)")
_REPEAT: Final = re.compile(r"(\\.)|#[0-9]+")  # of a path; what is escaped belongs to a key

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


@dataclass(slots=True, frozen=True)
class Rule:
    """One rule of the settings: either a path of attributes or a detector, and the action on a match.

    `attribute` is a glob (`*`, `?`, `[...]`, case-insensitive) over the path of an attribute; it holds for repeats of
    the key (`key#2`) and, where the path is that of a list, for all below it. `detector` is one of payment_card, iban,
    email, phone, or regex with `pattern`, applied to all texts and attributes. `drop` removes the attribute, or the
    match in a text; `mask` replaces each character by `*`; `hash` puts the first 16 hex digits of HMAC-SHA256 under
    `key`, so that equal values stay equal.
    """

    name: str
    attribute: str | None = None
    detector: str | None = None
    pattern: str | None = None
    action: Action = "mask"
    key: bytes | None = field(default=None, repr=False)


class Redactor:
    """The rules, compiled. One per process; what it remembers only saves work."""

    __slots__ = ("_actions", "_by_path", "_by_text", "_known_names", "globs", "has_rules")

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        """Compile the rules. Raises ConfigError naming every invalid one."""
        self._by_path: list[tuple[str, re.Pattern[str], Callable[[str], str] | None]] = []
        self._by_text: list[tuple[str, Detector, Callable[[str], str]]] = []
        self._known_names: dict[str, tuple[str, list[Redaction]]] = {}
        problems: list[str] = []
        for rule in rules:
            try:
                self._add(rule)
            except ValueError as error:
                problems.append(f"rule {rule.name}: {error}")
        if problems:
            raise ConfigError("; ".join(problems))
        self.has_rules = bool(rules)
        self.globs = [(rule.name, rule.attribute) for rule in rules if rule.attribute is not None]
        self._actions: dict[str, str] = {SECRET: SECRET, **{rule.name: rule.action for rule in rules}}

    def action_of(self, rule: str) -> str:
        """Return the action of a rule, given its name: that of one of the settings, or `secret`."""
        return self._actions.get(rule, rule)

    @property
    def split_rules(self) -> dict[str, SplitRule]:
        """The rules about numbers that are found over several messages, by detector."""
        named = {_DETECTORS[detector]: detector for detector in SPLIT_DETECTORS}
        return {named[detect]: SplitRule(name, put) for name, detect, put in reversed(self._by_text) if detect in named}

    def _add(self, rule: Rule) -> None:
        replace = _replacement(rule)
        if (rule.attribute is None) == (rule.detector is None):
            raise ValueError("expected either attribute or detector")
        if rule.attribute is not None:
            glob = re.compile(translate(rule.attribute).removesuffix(r"\Z") + _END_OF_PART, re.IGNORECASE)
            self._by_path.append((rule.name, glob, None if rule.action == "drop" else replace))
        elif rule.detector == "regex":
            if rule.pattern is None:
                raise ValueError("detector regex needs a pattern")
            self._by_text.append((rule.name, patterns.compiled(rule.pattern), replace))
        elif rule.detector in _DETECTORS:
            self._by_text.append((rule.name, _DETECTORS[rule.detector], replace))
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

    def word(self, where: str, word: str | None, known: frozenset[str], done: list[Redaction]) -> str | None:
        """Return a word of the protocol as it is, and any other as `text` does: anything may stand in its place."""
        return word if word is None or word in known else self.text(where, word, done)

    def _detected(self, where: str, text: str, done: list[Redaction]) -> str:
        """Return a text with every match of the detectors replaced, also what they find behind escapes."""
        escapes = unescaped(text) is not text
        for name, detect, replace in self._by_text:
            times = 0
            if escapes:  # first, because an escape may look like a part of what follows it
                escaped = EscapedText(text)
                text, times = _replaced(text, escaped.shown, detect, replace, escaped.place)
            text, more = _replaced(text, text, detect, replace, None)
            times += more
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
                shown = next(one for one in chain([shown], (f"{shown}#{n}" for n in count(2))) if one not in taken)
                names[name] = shown
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
        for name, glob, replace in self._by_path:
            for path in [path for path in values if _matches(glob, path)]:
                if replace is None:
                    del values[path]
                else:
                    values[path] = replace(values[path])
                types.pop(path, None)
                done.append(Redaction(f"{where}.{names.get(path, path)}", name, 1))
        if not self._by_text:
            return
        for path, value in values.items():
            shown = values[path] = self._detected(f"{where}.{names.get(path, path)}", value, done)
            if shown != value:
                types.pop(path, None)


def _matches(glob: re.Pattern[str], path: str) -> bool:
    """Tell whether a rule is about a path, a list around it, or a key of which this is a repeat."""
    return glob.match(path) is not None or ("#" in path and glob.match(_REPEAT.sub(r"\1", path)) is not None)


def _path_names_secret(path: str) -> bool:
    return names_secret(_ESCAPED_IN_PATH.sub(r"\1", path) if "\\" in path else path)


def _replaced(
    text: str, shown: str, detect: Detector, replace: Callable[[str], str], place: Callable[[int], int] | None
) -> tuple[str, int]:
    """Return the text with each find in `shown` replaced, and how many there were; `place` leads from there to it."""
    pieces: list[str] = []
    at = times = 0
    for start, end in detect(shown):
        pieces += (text[at : place(start) if place else start], replace(shown[start:end]))
        at = place(end) if place else end
        times += 1
    return ("".join(pieces) + text[at:], times) if times else (text, 0)


_DETECTORS: Final[dict[str | None, Detector]] = {
    "payment_card": detectors.payment_cards,
    "iban": detectors.ibans,
    "email": detectors.emails,
    "phone": detectors.phones,
}


def _drop(_: str) -> str:
    return ""


def _mask(value: str) -> str:
    return "*" * len(value)


def _hash(key: bytes, value: str) -> str:
    return hmac.digest(key, value.encode("utf-8", "surrogatepass"), "sha256").hex()[:_HASH_DIGITS]


def _replacement(rule: Rule) -> Callable[[str], str]:
    if rule.action == "hash":
        if not rule.key:
            raise ValueError("action hash needs a key")
        return partial(_hash, rule.key)
    return _drop if rule.action == "drop" else _mask
