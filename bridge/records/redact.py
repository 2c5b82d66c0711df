"""Redaction: secrets always, more by rule. Records what was done, never the value.

P5: session passwords, secure keys and device tokens are attributes of certain names. An attribute is removed when any
part of its path contains such a name; case, `_` and `-` are ignored. The quarantine holds unreadable bytes, so there
the name alone decides: `scrub` then masks every letter and digit of the input.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from fnmatch import translate
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from bridge.errors import ConfigError
from bridge.records import detectors, patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.records.detectors import Detector

Action = Literal["drop", "mask", "hash"]

SECRET: Final = "secret"  # noqa: S105 - the name of the rule
SECRET_NAMES: Final = (
    "SessionPassword",  # GCTI_Chat_SessionPassword, ChatServerSessionPassword: protocol facts 5.3
    "SecureKey",  # flex credentials: 1.6
    "push_notification_deviceid",  # a customer's newParty: 3.8
    "PushDeviceId",  # GCTI_GMS_PushDeviceId, session userData of custom-http: 8.4
)
"""What a part of a path may not contain (P5): names that Genesys documents, without their prefixes."""

_ALSO_IN_RAW_INPUT: Final = ("password",)  # the field of an announcement, and any other of that name

_HASH_DIGITS: Final = 16


class Redaction(NamedTuple):
    """What the rule of this name did to one field; `times` is the number of values or matches."""

    field: str
    rule: str
    times: int


@dataclass(slots=True, frozen=True)
class Rule:
    """One rule of the settings: either a path of attributes or a detector, and the action on a match.

    `attribute` is a glob (`*`, `?`, `[...]`, case-insensitive) over the path of an attribute; `detector` is one of
    payment_card, iban, email, phone, or regex with `pattern`, applied to all texts and attributes. `drop` removes the
    attribute, or the match in a text; `mask` replaces each character by `*`; `hash` puts the first 16 hex digits of
    HMAC-SHA256 under `key`, so that equal values stay equal.
    """

    name: str
    attribute: str | None = None
    detector: str | None = None
    pattern: str | None = None
    action: Action = "mask"
    key: bytes | None = field(default=None, repr=False)


class Redactor:
    """The rules, compiled. One per process; stateless."""

    __slots__ = ("_by_path", "_by_text", "has_rules")

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        """Compile the rules. Raises ConfigError naming every invalid one."""
        self._by_path: list[tuple[str, re.Pattern[str], Callable[[str], str] | None]] = []
        self._by_text: list[tuple[str, Detector, Callable[[str], str]]] = []
        problems: list[str] = []
        for rule in rules:
            try:
                self._add(rule)
            except ValueError as error:
                problems.append(f"rule {rule.name}: {error}")
        if problems:
            raise ConfigError("; ".join(problems))
        self.has_rules = bool(rules)

    def _add(self, rule: Rule) -> None:
        replace = _replacement(rule)
        if (rule.attribute is None) == (rule.detector is None):
            raise ValueError("expected either attribute or detector")
        if rule.attribute is not None:
            glob = re.compile(translate(rule.attribute), re.IGNORECASE)
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
        """Return the text with every match of the detectors replaced, and append to `done`. `where` names the field."""
        for name, detect, replace in self._by_text:
            pieces: list[str] = []
            at = count = 0
            for start, end in detect(text):
                pieces += (text[at:start], replace(text[start:end]))
                at = end
                count += 1
            if count:
                text = "".join(pieces) + text[at:]
                done.append(Redaction(where, name, count))
        return text

    def attributes(self, where: str, values: dict[str, str], types: dict[str, str], done: list[Redaction]) -> None:
        """Redact a flat map (and the map of its types) in place, and append to `done`, key by key."""
        if _mentions_secret(values):
            for path in [path for path, value in values.items() if _names_secret(path) or _holds_secret(value)]:
                del values[path]
                types.pop(path, None)
                done.append(Redaction(f"{where}.{path}", SECRET, 1))
        if self.has_rules:
            self._follow_rules(where, values, types, done)

    def unknown(self, values: dict[str, str], done: list[Redaction]) -> dict[str, str]:
        """Return unknown attributes, redacted; one whose text (perhaps JSON) names a secret is removed as a whole."""
        kept = dict(values)
        for name, text in values.items():
            if _names_secret(name) or _names_secret(_seen_through(text.encode("utf-8", "replace"))):
                del kept[name]
                done.append(Redaction(f"unknownAttributes.{name}", SECRET, 1))
        if self.has_rules:
            self._follow_rules("unknownAttributes", kept, {}, done)
        return kept

    def _follow_rules(self, where: str, values: dict[str, str], types: dict[str, str], done: list[Redaction]) -> None:
        for name, glob, replace in self._by_path:
            for path in [path for path in values if glob.match(path)]:
                if replace is None:
                    del values[path]
                    types.pop(path, None)
                else:
                    values[path] = replace(values[path])
                done.append(Redaction(f"{where}.{path}", name, 1))
        if self._by_text:
            for path, value in values.items():
                values[path] = self.text(f"{where}.{path}", value, done)


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


# --- secrets ----------------------------------------------------------------------------------------------------------


def _plain(text: str) -> str:
    return text.casefold().replace("_", "").replace("-", "")


_PLAIN_SECRETS: Final = tuple(_plain(name) for name in SECRET_NAMES)
_ESCAPED: Final = re.compile(rb"\\u00([0-9a-fA-F]{2})|&#x0*([0-9a-fA-F]{2});|&#0*([0-9]{2,3});")
_STRUCTURES: Final = ("{", "[")
_LETTERS_AND_DIGITS: Final = re.compile(rb"[0-9A-Za-z\x80-\xff]")


def _names_secret(text: str, names: tuple[str, ...] = _PLAIN_SECRETS) -> bool:
    plain = _plain(text)
    return any(name in plain for name in names)


def _mentions_secret(values: dict[str, str]) -> bool:
    """Tell whether any path or value may name a secret. Seldom true, so all paths are searched in one pass."""
    return bool(values) and (_names_secret("\n".join(values)) or any(map(_holds_secret, values.values())))


def _holds_secret(value: str) -> bool:
    """Tell whether a value is a structure that names a secret: unknown shapes of an item are kept as JSON text."""
    return value[:1] in _STRUCTURES and _names_secret(_seen_through(value.encode("utf-8", "replace")))


def _seen_through(raw: bytes) -> str:
    return _ESCAPED.sub(_unescape, raw).replace(b"\0", b"").decode("latin-1")


def scrub(raw: bytes) -> bytes:
    r"""Return input for the quarantine: as it is, or with every letter and digit masked when it names a secret (P5).

    The structure stays visible, because the ends of a value cannot be found in damaged input. Escaped spellings of the
    names (`\u0053`, `&#83;`) and UTF-16 are recognised.
    """
    names = (*_PLAIN_SECRETS, *_ALSO_IN_RAW_INPUT)
    return _LETTERS_AND_DIGITS.sub(b"*", raw) if _names_secret(_seen_through(raw), names) else raw


def _unescape(found: re.Match[bytes]) -> bytes:
    code = int(found[1], 16) if found[1] else int(found[2], 16) if found[2] else int(found[3])
    return bytes((code & 0xFF,))
