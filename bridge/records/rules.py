"""The rules of redaction: what each is about, and what it puts in the place of what it finds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, get_args

from bridge.records.pseudonyms import pseudonym
from bridge.records.secret_names import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.records.pseudonyms import HashKey

Action = Literal["drop", "mask", "hash", "allow"]
MaskForm = Literal["length", "fixed"]
Group = Literal["userData", "eventAttributes", "unknownAttributes"]

GROUPS: Final[tuple[str, ...]] = get_args(Group)
"""The maps of attributes that an event has."""

NOT_ALLOWED: Final = "not_allowed"
TYPING_PREVIEW: Final = "typing_preview"
BUILT_IN: Final = {SECRET: SECRET, NOT_ALLOWED: "drop", TYPING_PREVIEW: "drop"}
"""Names in `redactions` that no rule of the settings may have -> what is done: secrets are always removed, attributes
that an allow-list does not name, and what people have typed before they send it."""

FIXED_MASK: Final = "***"
"""What a mask that does not show the length puts in the place of a find."""

_VERSION_DIGITS: Final = 12


@dataclass(slots=True, frozen=True)
class Rule:
    """One rule of the settings: either a path of attributes or a detector, and the action on a match.

    `attribute` is a glob (`*`, `?`, `[...]`, case-insensitive) over the path of an attribute; it holds for repeats of
    the key (`key#2`) and, where the path is that of a list, for all below it. `group` is the only one of GROUPS in
    which it looks; None: all. `detector` is one of payment_card, iban, email, phone, or regex with `pattern`, applied
    to all texts and attributes. `drop` removes the attribute, or the match in a text; `mask` replaces each character by
    `*` (`mask` length), or all of them by FIXED_MASK (fixed); `hash` puts a pseudonym, so that equal values stay equal.
    `allow` has an attribute: in the groups in which such a rule looks, what none of them names is dropped.
    """

    name: str
    attribute: str | None = None
    detector: str | None = None
    pattern: str | None = None
    action: Action = "mask"
    mask: MaskForm = "length"
    group: Group | None = None


def check(rule: Rule) -> None:
    """Raise ValueError for a rule that cannot be followed."""
    if rule.name in BUILT_IN:
        raise ValueError("the name has a meaning of its own in redactions")
    if (rule.attribute is None) == (rule.detector is None):
        raise ValueError("expected either attribute or detector")
    if rule.attribute is None and rule.action == "allow":
        raise ValueError("action allow needs an attribute")
    if rule.attribute is None and rule.group is not None:
        raise ValueError("group goes with attribute")
    if rule.action != "mask" and rule.mask != "length":
        raise ValueError("mask goes with action mask")
    if rule.detector == "regex" and rule.pattern is None:
        raise ValueError("detector regex needs a pattern")


def replacement(rule: Rule, key: HashKey | None) -> Callable[[str], str]:
    """Return what gives the text in the place of a find. Raises ValueError for `hash` without a key."""
    if rule.action == "hash":
        if key is None or not key.key:
            raise ValueError("action hash needs a key")
        return partial(pseudonym, key)
    if rule.action == "drop":
        return _nothing
    return _fixed_mask if rule.mask == "fixed" else _mask


def version_of(rules: Sequence[Rule], key: HashKey | None, *, typing_previews: bool) -> str | None:
    """Return what tells this set of rules from others: 12 hexadecimal digits; None if nothing is done but to secrets.

    It changes with each part of a rule, their order, and the id or the content of the key if a rule uses it.
    """
    if not rules and typing_previews:
        return None
    hashing = key is not None and any(rule.action == "hash" for rule in rules)
    content = {
        "rules": [
            [rule.name, rule.attribute, rule.detector, rule.pattern, rule.action, rule.mask, rule.group]
            for rule in rules
        ],
        "key": [key.id, key.fingerprint] if key is not None and hashing else None,
        "typingPreviews": typing_previews,
    }
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()[:_VERSION_DIGITS]


def _nothing(_: str) -> str:
    return ""


def _mask(value: str) -> str:
    return "*" * len(value)


def _fixed_mask(_: str) -> str:
    return FIXED_MASK
