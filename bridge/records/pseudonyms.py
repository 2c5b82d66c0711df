"""Pseudonyms: keyed hashes that stand in the place of values, so that equal values stay equal and cannot be read."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final

HASH_DIGITS: Final = 16
"""Hexadecimal digits of a pseudonym: 64 bits, of which two values in four thousand million may be alike."""

_FINGERPRINT: Final = b"fingerprint of a key"
_FINGERPRINT_DIGITS: Final = 16


@dataclass(slots=True, frozen=True)
class HashKey:
    """The secret behind pseudonyms.

    `id` stands before each, so that those of two keys are told apart; None: nothing does, with a key that has no name.
    """

    id: str | None
    key: bytes = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """What tells this key from others, without the key."""
        return hmac.digest(self.key, _FINGERPRINT, "sha256").hex()[:_FINGERPRINT_DIGITS]


def pseudonym(key: HashKey, value: str) -> str:
    """Return `<id>:<digits>`, or the digits alone for a key without id: the first of HMAC-SHA256 over UTF-8."""
    digits = hmac.digest(key.key, value.encode("utf-8", "surrogatepass"), "sha256").hex()[:HASH_DIGITS]
    return digits if key.id is None else f"{key.id}:{digits}"
