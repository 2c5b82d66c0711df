"""Subjects: keyed hashes of what identifies the people of a chat, so that a person's chats can be found. Pure.

The settings name paths of attributes, as of an e-mail address or a customer's number. Of each value there, a chat's
session records have a hash: it shows that two chats have the same person to whoever has the records, and who that is
only to whoever has the key and guesses the value.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from fnmatch import translate
from typing import TYPE_CHECKING, Final

from bridge.errors import AttributesTooDeep
from bridge.transcript.attributes import flatten, without_repeats

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bridge.transcript.events import Items

MOST_SUBJECTS: Final = 16
"""How many a chat has at most, those that came first (P6)."""
_DIGITS: Final = 32
_PURPOSE: Final = b"subject\0"


def normalised(value: str) -> str:
    """Return a value as it is hashed: NFKC, without case, each run of blanks one space, none at the ends."""
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())


class Subjects:
    """The settings, compiled; `known` tells what the people of a chat are, `searched` how one is looked for."""

    def __init__(self, paths: Sequence[str] = (), keys: Sequence[tuple[str | None, bytes]] = ()) -> None:
        """`paths` are globs over the paths of attributes; `keys` are (id, key), the first makes new hashes.

        Without a path or a key nothing is hashed.
        """
        self._globs = [re.compile(translate(path), re.IGNORECASE) for path in paths]
        self._keys = list(keys)

    def __bool__(self) -> bool:
        """Whether anything is hashed."""
        return bool(self._globs and self._keys)

    def of_items(self, items: Items) -> list[str]:
        """Return the hashes of what a KeyValueCollection holds; none of one that is nested too deeply."""
        try:
            values, _ = flatten(items)
        except AttributesTooDeep:
            return []
        return self.of_values(values.items())

    def of_values(self, values: Iterable[tuple[str, str]]) -> list[str]:
        """Return the hashes of values, given as (path, value), each once."""
        if not self._keys:
            return []
        found = [value for path, value in values if self._is_about(path)]
        return list(dict.fromkeys(_hashed(*self._keys[0], one) for one in map(normalised, found) if one))

    def searched(self, value: str) -> frozenset[str]:
        """Return every hash that a value may have in records: one for each key."""
        one = normalised(value)
        return frozenset(_hashed(*key, one) for key in self._keys) if one else frozenset()

    def _is_about(self, path: str) -> bool:
        plain = without_repeats(path)
        return any(glob.match(plain) for glob in self._globs)


NO_SUBJECTS: Final = Subjects()
"""Recognises nobody."""


def together(known: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    """Return the subjects of a chat, with those that it did not have; the same object if there are none."""
    new = [one for one in dict.fromkeys(more) if one not in known]
    return (*known, *new)[:MOST_SUBJECTS] if new and len(known) < MOST_SUBJECTS else known


def _hashed(key_id: str | None, key: bytes, value: str) -> str:
    digits = hmac.digest(key, _PURPOSE + value.encode("utf-8", "surrogatepass"), "sha256").hex()[:_DIGITS]
    return digits if key_id is None else f"{key_id}:{digits}"
