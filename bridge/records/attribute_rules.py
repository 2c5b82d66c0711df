"""Rules that name paths of attributes: which are dropped, masked or hashed, and which an allow-list leaves."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Final

from bridge.records.rules import GROUPS, NOT_ALLOWED, replacement
from bridge.transcript.attributes import without_repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.records.pseudonyms import HashKey
    from bridge.records.rules import Rule

_END_OF_PART: Final = r"(?:\.|\Z)"


class AttributeRules:
    """The rules with an attribute, compiled, by the group of attributes in which they look."""

    __slots__ = ("_allowed", "_named")

    def __init__(self) -> None:
        """Begin without rules."""
        self._named: dict[str, list[tuple[str, re.Pattern[str], Callable[[str], str] | None]]] = {}
        self._allowed: dict[str, list[re.Pattern[str]]] = {}

    def add(self, rule: Rule, key: HashKey | None) -> None:
        """Compile a rule whose attribute is not None. Raises ValueError for `hash` without a key."""
        glob = re.compile(translate(rule.attribute or "").removesuffix(r"\Z") + _END_OF_PART, re.IGNORECASE)
        replace = None if rule.action == "drop" else replacement(rule, key)
        for group in GROUPS if rule.group is None else (rule.group,):
            if rule.action == "allow":
                self._allowed.setdefault(group, []).append(glob)
            else:
                self._named.setdefault(group, []).append((rule.name, glob, replace))

    @property
    def has_allow_list(self) -> bool:
        """Whether there are attributes that are dropped because nothing names them."""
        return bool(self._allowed)

    def follow(self, group: str, values: dict[str, str], types: dict[str, str]) -> Iterator[tuple[str, str]]:
        """Drop or replace values of a flat map, and their types, in place; yield (path, rule) of each.

        The allow-list comes first; then the rules in their order.
        """
        allowed = self._allowed.get(group)
        if allowed is not None:
            for path in [path for path in values if not any(_matches(glob, path) for glob in allowed)]:
                del values[path]
                yield path, NOT_ALLOWED
            for path in [path for path in types if path not in values and not _has_below(path, values)]:
                del types[path]
        for name, glob, replace in self._named.get(group, ()):
            for path in [path for path in values if _matches(glob, path)]:
                if replace is None:
                    del values[path]
                else:
                    values[path] = replace(values[path])
                types.pop(path, None)
                yield path, name


def _matches(glob: re.Pattern[str], path: str) -> bool:
    """Tell whether a rule is about a path, a list around it, or a key of which this is a repeat."""
    return glob.match(path) is not None or ("#" in path and glob.match(without_repeats(path)) is not None)


def _has_below(path: str, values: dict[str, str]) -> bool:
    """Tell whether a path is that of a list of which something is left."""
    return any(other.startswith(f"{path}.") for other in values)
