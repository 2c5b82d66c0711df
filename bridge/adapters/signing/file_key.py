"""A signing key in a file: Ed25519, PEM (PKCS #8), read again when the file changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from bridge.errors import SigningFailed
from bridge.secret_files import MAX_SECRET_BYTES, FileBacked, reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def new_key() -> bytes:
    """Return a new key, as the file holds it."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def read_key(file: str) -> Ed25519PrivateKey:
    """Return the key in a file. Raises OSError when it cannot be read, ValueError when it holds no such key."""
    with Path(file).open("rb") as stream:
        return key_in(stream.read(MAX_SECRET_BYTES))


def key_in(pem: bytes) -> Ed25519PrivateKey:
    """Return the key that a file has as its content. Raises ValueError when that is no such key."""
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")  # noqa: TRY004 - the content of a file, not a type
    return key


class FileKey:
    """The `Signer` with the key in a file.

    A file that cannot be used is not replaced by what was read before: a key that was taken away does not sign.
    """

    def __init__(self, file: str) -> None:
        """Read the file. Raises OSError or ValueError when it cannot be used."""
        self._file = file
        self.current = FileBacked((file,), lambda: _with_public(read_key(file)))

    async def sign(self, messages: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
        """Sign with the key that the file holds now. Raises SigningFailed when it holds none."""
        key, public = self.current()
        if self.current.error is not None:
            raise SigningFailed(
                f"the signing key in {self._file} cannot be used: {reason_of(self.current.error)}",
                next_step="put an Ed25519 key in PEM there; what was captured waits for it",
            )
        return public, [key.sign(one) for one in messages]


def _with_public(key: Ed25519PrivateKey) -> tuple[Ed25519PrivateKey, bytes]:
    """Return a key with its public key, which takes as long to make as a signature."""
    return key, key.public_key().public_bytes_raw()
