"""Encrypts texts with the data key of their chat, and decrypts them: AES-256-GCM, form 1.

A sealed text is `sealed:1:` and, in base64url without padding, nonce (12 bytes), ciphertext and tag (16 bytes). The
associated data are the id of the chat, the name of the field and the number of the record: a sealed text that was moved
to another place is refused. The nonce is the beginning of an HMAC-SHA256 of these and of the plain text, under a key
that is derived from the data key: a record that is made again is sealed to the same bytes, and no nonce ever serves two
plain texts, although none is remembered.

Every worker imports this, and only one that seals needs `cryptography`, which takes 7 MB: it is imported by the first
seal. Where a master key is configured, its wrapper has imported it at the start.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from bridge.errors import VerificationFailed

KEY_BYTES: Final = 32
PREFIX: Final = "sealed:1:"
"""What a sealed text begins with, and sealed bytes too."""
_PREFIX_BYTES: Final = PREFIX.encode()
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_NONCE_KEY: Final = b"chatbridge sealing 1: nonce"
_LENGTH_BYTES: Final = 4
_SEQUENCE_BYTES: Final = 8


def is_sealed(text: str) -> bool:
    """Tell whether a text has the form of a sealed one."""
    return text.startswith(PREFIX)


def are_sealed(data: bytes) -> bool:
    """Tell whether bytes have the form of sealed ones."""
    return data.startswith(_PREFIX_BYTES)


def may_be_opened(text: str) -> bool:
    """Tell whether a text can be what a seal made, whoever holds its key: people may type what begins like one.

    Who types the whole form is not told apart: only the key does that.
    """
    whole = _unpacked(text) if is_sealed(text) else None
    return whole is not None and len(whole) >= _NONCE_BYTES + _TAG_BYTES


class ChatSeal:
    """What one data key seals and opens. `name` is the id of the chat that the key belongs to."""

    __slots__ = ("_cipher", "_name", "_nonces")

    def __init__(self, name: str, key: bytes) -> None:
        """`key` has KEY_BYTES bytes. Raises ValueError when it has not."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a data key has {KEY_BYTES} bytes")
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above

        self._name = _counted(name.encode())
        self._cipher = AESGCM(key)
        # Begun with its key: a copy takes a quarter of the time that `hmac.digest` with the key takes.
        self._nonces = hmac.new(hmac.digest(key, _NONCE_KEY, "sha256"), digestmod="sha256")

    def seal(self, field: str, sequence: int, text: str) -> str:
        """Return a text sealed for its place. Raises UnicodeEncodeError for one that is not Unicode."""
        return PREFIX + _base64(self._sealed(field, sequence, text.encode()))

    def opened(self, field: str, sequence: int, sealed: str) -> str:
        """Return the plain text. Raises VerificationFailed for another key or place, and for altered bytes."""
        whole = _unpacked(sealed) if is_sealed(sealed) else None
        if whole is None:
            raise VerificationFailed(f"{field}: not a sealed text")
        return self._opened(field, sequence, whole).decode("utf-8", "replace")

    def seal_bytes(self, field: str, data: bytes) -> bytes:
        """Return bytes sealed, after the prefix and not as base64; they belong to no record with a number."""
        return _PREFIX_BYTES + self._sealed(field, 0, data)

    def opened_bytes(self, field: str, sealed: bytes) -> bytes:
        """Return the plain bytes. Raises as `opened`."""
        if not are_sealed(sealed):
            raise VerificationFailed(f"{field}: not sealed")
        return self._opened(field, 0, sealed[len(_PREFIX_BYTES) :])

    def _sealed(self, field: str, sequence: int, plain: bytes) -> bytes:
        place = self._place(field, sequence)
        mac = self._nonces.copy()
        mac.update(place + plain)
        nonce = mac.digest()[:_NONCE_BYTES]
        return nonce + self._cipher.encrypt(nonce, plain, place)

    def _opened(self, field: str, sequence: int, whole: bytes) -> bytes:
        if len(whole) < _NONCE_BYTES + _TAG_BYTES:
            raise VerificationFailed(f"{field}: sealed, and cut off")
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above

        try:
            return self._cipher.decrypt(whole[:_NONCE_BYTES], whole[_NONCE_BYTES:], self._place(field, sequence))
        except InvalidTag:
            raise VerificationFailed(f"{field}: sealed with another key, for another place, or altered") from None

    def _place(self, field: str, sequence: int) -> bytes:
        """Return the associated data: id of the chat and name of the field with their lengths, number of the record."""
        return self._name + _counted(field.encode()) + sequence.to_bytes(_SEQUENCE_BYTES, "big")


def _counted(data: bytes) -> bytes:
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def _unpacked(sealed: str) -> bytes | None:
    """Return what is in a sealed text, encrypted; None if it has not its form."""
    packed = sealed.removeprefix(PREFIX)
    try:
        whole = urlsafe_b64decode(packed + "=" * (-len(packed) % 4))
    except ValueError:
        return None
    return whole if _base64(whole) == packed else None  # the decoder passes over characters that are none of its own


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
