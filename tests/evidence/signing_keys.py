"""Keys that sign in tests: the same ones in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bridge.evidence.anchors import head_of
from bridge.evidence.key_list import ListedKey
from bridge.evidence.signed_note import PublicKey, note_of, signature_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.evidence.merkle import TreeEdge

NAME: Final = "chatbridge/main/test.sessions"
ORIGIN: Final = f"{NAME}/3"


class KnownKey:
    """A `Signer` whose key is made from a number; it remembers what it signed."""

    def __init__(self, number: int = 1, name: str = NAME) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(bytes([number] * 32))
        self.public = PublicKey(name, self._private.public_key().public_bytes_raw())
        self.signed: list[bytes] = []

    async def sign(self, messages: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
        self.signed += messages
        return self.public.raw, [self._private.sign(one) for one in messages]

    def signature(self, message: bytes) -> bytes:
        return self._private.sign(message)

    def line(self, text: str, name: str | None = None) -> str:
        """Return the signature line of a text, under the name of the key or another one."""
        key = self.public.named(name or self.public.name)
        return signature_line(key, self._private.sign(text.encode()))

    def note(self, text: str, name: str | None = None) -> bytes:
        return note_of(text, [self.line(text, name)])


def signed_head(key: KnownKey, edge: TreeEdge, origin: str = ORIGIN) -> bytes:
    """Return a signed checkpoint, as logs sign theirs: under the name of the origin."""
    return key.note(head_of(origin, edge).text(), origin)


def listed(keys: Sequence[KnownKey]) -> str:
    """Return the list of some keys, each signed by itself and by the one before it."""
    notes, before = [], None
    for number, one in enumerate(keys, 1):
        text = ListedKey(one.public, f"2026-01-0{number}T00:00:00Z", before.public if before else None).text()
        notes.append(note_of(text, [one.line(text), *([before.line(text)] if before else [])]).decode())
        before = one
    return "".join(notes)
