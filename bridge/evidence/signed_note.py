"""Signed notes as C2SP defines them (c2sp.org/signed-note), with Ed25519: text, a blank line, lines of signatures.

A public key is written `name+hash+base64`, as golang.org/x/mod/sumdb/note does. The hash is the first 4 bytes of
SHA-256(name || newline || 0x01 || key): a hint which key it was, and no proof.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from bridge.errors import VerificationFailed

if TYPE_CHECKING:
    from collections.abc import Iterable

ED25519: Final = "Ed25519"
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
MAX_SIGNATURES: Final = 100
_TYPE: Final = b"\x01"
_HASH_BYTES: Final = 4
_MARK: Final = "— "


@dataclass(slots=True, frozen=True)
class PublicKey:
    """An Ed25519 public key (32 bytes) and its name, which has neither white space nor a plus sign."""

    name: str
    raw: bytes

    def __post_init__(self) -> None:
        """Raise ValueError when it is none."""
        if not self.name or "+" in self.name or self.name.split() != [self.name] or not self.name.isprintable():
            raise ValueError("the name of a key is empty, or has white space or a plus sign")
        if len(self.raw) != KEY_BYTES:
            raise ValueError(f"a key of {len(self.raw)} bytes, not {KEY_BYTES}")

    @property
    def hash(self) -> bytes:
        """The 4 bytes that stand before its signatures."""
        return sha256(self.name.encode() + b"\n" + _TYPE + self.raw).digest()[:_HASH_BYTES]

    @property
    def key_id(self) -> str:
        """Name and hash, as `signature.keyId` of a SessionRecord has them."""
        return f"{self.name}+{self.hash.hex()}"

    def __str__(self) -> str:
        """The line that names it for verifiers."""
        return f"{self.key_id}+{b64encode(_TYPE + self.raw).decode()}"

    def named(self, name: str) -> PublicKey:
        """Return the same key under another name. Raises VerificationFailed when no key can have it."""
        try:
            return PublicKey(name, self.raw)
        except ValueError as error:
            raise VerificationFailed(f"a name that no key can have: {name}") from error

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Tell whether it made this signature of a message."""
        # Every worker imports this module, and only auditors verify: the others are spared the 7 MB of the package.
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


def parsed_key(line: str) -> PublicKey:
    """Return the public key that a line names. Raises VerificationFailed."""
    try:
        name, hexadecimal, encoded = line.split("+", 2)
        raw = b64decode(encoded, validate=True)
        key = PublicKey(name, raw[1:])
    except ValueError as error:
        raise VerificationFailed("a line that names no public key") from error
    if raw[:1] != _TYPE or key.hash.hex() != hexadecimal:
        raise VerificationFailed("a public key that is not Ed25519, or whose hash is another one")
    return key


@dataclass(slots=True, frozen=True)
class NoteSignature:
    """One signature line of a note: name and hash of the key, and the signature."""

    name: str
    hash: bytes
    signature: bytes

    def by(self, key: PublicKey) -> bool:
        """Tell whether it says that this key made it."""
        return (self.name, self.hash) == (key.name, key.hash)


@dataclass(slots=True, frozen=True)
class Note:
    """A note that was read, not verified: its text, which ends in a newline, and its signatures."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def signed_by(self, keys: Iterable[PublicKey]) -> list[PublicKey]:
        """Return which of these keys have signed it.

        Raises VerificationFailed when a signature that one of them is said to have made is not its, or none has.
        """
        found: list[PublicKey] = []
        for key in keys:
            for one in self.signatures:
                if not one.by(key):
                    continue
                if not key.verifies(self.text.encode(), one.signature):
                    raise VerificationFailed(f"the signature of {key.key_id} is not valid")
                found.append(key)
                break
        if not found:
            named = ", ".join(f"{one.name}+{one.hash.hex()}" for one in self.signatures)
            raise VerificationFailed(f"a note that no known key has signed, but {named}")
        return found


def signature_line(key: PublicKey, signature: bytes) -> str:
    """Return the line of one signature, with its line end."""
    return f"{_MARK}{key.name} {b64encode(key.hash + signature).decode()}\n"


def note_of(text: str, lines: Iterable[str]) -> bytes:
    """Return a note, given its text, which ends in a newline, and its signature lines."""
    return f"{text}\n{''.join(lines)}".encode()


def parsed_note(value: bytes) -> Note:
    """Return a note. Raises VerificationFailed when it is none."""
    try:
        whole = value.decode()
    except UnicodeDecodeError as error:
        raise VerificationFailed("a note that is not UTF-8") from error
    if any(ord(one) < ord(" ") and one != "\n" for one in whole):
        raise VerificationFailed("a note with control characters")
    text, separator, lines = whole.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise VerificationFailed("a note without signatures")
    signatures = [_parsed_signature(line) for line in lines[:-1].split("\n")]
    if len(signatures) > MAX_SIGNATURES:
        raise VerificationFailed(f"a note with more than {MAX_SIGNATURES} signatures")
    return Note(f"{text}\n", tuple(signatures))


def _parsed_signature(line: str) -> NoteSignature:
    try:
        mark, name, encoded = line.split(" ")
        raw = b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as error:
        raise VerificationFailed("a note with a line that is no signature") from error
    if f"{mark} " != _MARK or not name or len(raw) <= _HASH_BYTES:
        raise VerificationFailed("a note with a line that is no signature")
    return NoteSignature(name, raw[:_HASH_BYTES], raw[_HASH_BYTES:])
