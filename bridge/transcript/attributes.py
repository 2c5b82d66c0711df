r"""KeyValueCollection <-> flat map, without loss.

A collection is an ordered list of items, nested, with repeats. Its flat form is one map from path to text, which every
query engine reads, and a second map with the type of each item that is not a string:

* nested keys join with `.`;
* `.`, `\` and `#` inside a key are escaped with `\`;
* the n-th repeat of a key among its siblings is `key#n` (n from 2);
* an empty list has the empty text and the type `kvlist`, whatever type word it came under.

Both maps keep the order of the items; `unflatten` gives back exactly what `flatten` got.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Final

from bridge.errors import AttributesTooDeep
from bridge.transcript.events import KVLIST, STRING, Item, Items

MAX_DEPTH: Final = 64
MAX_PATH: Final = 1024
"""Longest path of an item that has items below it, in characters: the path of each of those repeats it."""

_SPECIAL = str.maketrans({".": "\\.", "\\": "\\\\", "#": "\\#"})
_REPEAT: Final = re.compile(r"(\\.)|#[0-9]+")  # what is escaped belongs to a key
_NUMERIC = {"int": int, "long": int, "float": float}
_INT64 = range(-(2**63), 2**63)


def escaped_key(key: str) -> str:
    """Return a key as it stands in a path."""
    return key.translate(_SPECIAL) if "." in key or "\\" in key or "#" in key else key


def without_repeats(path: str) -> str:
    """Return a path with the keys of first items in the place of their repeats."""
    return _REPEAT.sub(r"\1", path) if "#" in path else path


def flatten(items: Items) -> tuple[dict[str, str], dict[str, str]]:
    """Return (path -> text, path -> type word of items that are not strings).

    Raises AttributesTooDeep beyond MAX_DEPTH levels, or below a path longer than MAX_PATH: a path repeats all keys
    above it, so a line within the wire's limit could otherwise expand to gigabytes.
    """
    values: dict[str, str] = {}
    types: dict[str, str] = {}
    _flatten(items, "", values, types, 1)
    return values, types


def _flatten(items: Items, prefix: str, values: dict[str, str], types: dict[str, str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise AttributesTooDeep(f"a KeyValueCollection is nested more than {MAX_DEPTH} levels deep")
    seen: dict[str, int] = {}
    for item in items:
        key = item.key
        count = seen.get(key, 0) + 1
        seen[key] = count
        path = prefix + escaped_key(key)
        if count > 1:
            path = f"{path}#{count}"
        value = item.value
        if isinstance(value, list):
            if value:
                if len(path) > MAX_PATH:
                    raise AttributesTooDeep(f"the keys above an item are longer than {MAX_PATH} characters")
                _flatten(value, path + ".", values, types, depth + 1)
                if item.type != KVLIST:  # a list under another type word: keep the word beside its children
                    types[path] = item.type
            else:
                values[path] = ""
                types[path] = KVLIST
            continue
        values[path] = value if isinstance(value, str) else repr(value) if isinstance(value, float) else str(value)
        if item.type != STRING:
            types[path] = item.type


def _split(path: str) -> list[tuple[str, int]]:
    """Split a path into [(key, repeat), ...]. Raises ValueError on one that `flatten` does not make."""
    parts: list[tuple[str, int]] = []
    key: list[str] = []
    repeat = ""
    in_repeat = False
    at = 0
    while at < len(path):
        char = path[at]
        if char == "\\":
            at += 1
            if at == len(path):
                raise ValueError("a path that ends within an escape")
            key.append(path[at])
        elif char == "#":
            in_repeat = True
        elif char == ".":
            parts.append(("".join(key), int(repeat or 1)))
            key, repeat, in_repeat = [], "", False
        elif in_repeat:
            repeat += char
        else:
            key.append(char)
        at += 1
    parts.append(("".join(key), int(repeat or 1)))
    return parts


def typed_value(text: str, word: str) -> str | int | float:
    """Return the value of an item of type `word` that was written as `text`: a number where it is exactly one.

    A text that the number would not be written back as stays text, and so does what cannot be encoded or compared: an
    integer beyond 64 bits, an infinity, a NaN (which is unequal to itself).
    """
    convert = _NUMERIC.get(word)
    if convert is None:
        return text
    try:
        value = convert(text)
    except ValueError:
        return text
    if isinstance(value, float):
        return value if isfinite(value) and repr(value) == text else text
    return value if value in _INT64 and str(value) == text else text


def unflatten(values: dict[str, str], types: dict[str, str]) -> Items:
    """Rebuild the items from the two maps that `flatten` returned (in their order).

    Raises ValueError on a path that `flatten` does not make.
    """
    root: Items = []
    open_lists: list[tuple[tuple[str, int], Items]] = []
    for path, text in values.items():
        parts = _split(path)
        shared = 0
        while shared < len(open_lists) and shared < len(parts) - 1 and open_lists[shared][0] == parts[shared]:
            shared += 1
        del open_lists[shared:]
        here = open_lists[-1][1] if open_lists else root
        above = [_rejoin(part) for part in parts[:shared]]
        for depth in range(shared, len(parts) - 1):
            inner: Items = []
            above.append(_rejoin(parts[depth]))
            here.append(Item(parts[depth][0], types.get(".".join(above), KVLIST), inner))
            open_lists.append((parts[depth], inner))
            here = inner
        word = types.get(path, STRING)
        empty_list = word == KVLIST and text == ""
        here.append(Item(parts[-1][0], word, [] if empty_list else typed_value(text, word)))
    return root


def _rejoin(part: tuple[str, int]) -> str:
    key, repeat = part
    return escaped_key(key) if repeat == 1 else f"{escaped_key(key)}#{repeat}"
