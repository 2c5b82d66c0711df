"""Master keys in files: 256 bits, as 64 hexadecimal digits; read again when the files change.

A data key is wrapped by AES-256-GCM: nonce (12 random bytes), ciphertext and tag; the associated data are the name of
the key. The id of a master key is derived from it, so that it need not be configured.
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bridge.errors import SealingFailed
from bridge.sealing.chat_seal import KEY_BYTES
from bridge.sealing.data_keys import WrappedKey
from bridge.secret_files import FileBacked, read_secret, reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence

NONCE_BYTES: Final = 12
_PLACE: Final = b"chatbridge data key 1: "
_ID_OF: Final = b"chatbridge master key 1: "
_ID_DIGITS: Final = 16


def bound_to(name: str) -> bytes:
    """Return the associated data of a data key."""
    return _PLACE + name.encode()


def id_of(master: bytes) -> str:
    """Return the id of a master key, of which it tells nothing."""
    return sha256(_ID_OF + master).hexdigest()[:_ID_DIGITS]


def read_master_key(file: str) -> bytes:
    """Return the key in a file. Raises OSError when it cannot be read, ValueError when it holds no such key."""
    text = read_secret(file).strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""  # the error would quote the text
    if len(key) != KEY_BYTES:
        raise ValueError(f"expected {2 * KEY_BYTES} hexadecimal digits")
    return key


class FileWrapper:
    """The `KeyWrapper` with master keys in files: the first one wraps, all of them unwrap.

    A current file that cannot be used is not replaced by what was read before: a key that was taken away wraps nothing.
    """

    def __init__(self, file: str, former: Sequence[str] = ()) -> None:
        """Read the files. Raises OSError or ValueError when one of them cannot be used."""
        self._file = file
        self.current = _backed(file)
        self.former = [_backed(each) for each in former]

    async def wrap(self, keys: Sequence[tuple[str, bytes]]) -> list[WrappedKey]:
        """Wrap with the key that the file holds now. Raises SealingFailed when it holds none."""
        master = self.current()
        if self.current.error is not None:
            raise SealingFailed(
                f"the master key in {self._file} cannot be used: {reason_of(self.current.error)}",
                next_step="put 64 hexadecimal digits there; what was captured waits for it",
            )
        cipher, name_of_master = AESGCM(master), id_of(master)
        wrapped = []
        for name, key in keys:
            nonce = os.urandom(NONCE_BYTES)
            wrapped.append(WrappedKey(name, name_of_master, nonce + cipher.encrypt(nonce, key, bound_to(name))))
        return wrapped

    async def unwrap(self, keys: Sequence[WrappedKey]) -> list[bytes]:
        """Unwrap with whichever key wrapped each. Raises SealingFailed when that is not known, or does not fit."""
        masters = [each() for each in (self.current, *self.former)]
        ciphers = {id_of(master): AESGCM(master) for master in masters}
        return [_unwrapped(ciphers, key) for key in keys]


def _unwrapped(ciphers: dict[str, AESGCM], key: WrappedKey) -> bytes:
    cipher = ciphers.get(key.master)
    if cipher is None:
        raise SealingFailed(
            f"the data key of {key.name} is wrapped with the master key {key.master}, which is not configured",
            next_step="add its file to sealing.former_master_key_files",
        )
    try:
        return cipher.decrypt(key.wrapped[:NONCE_BYTES], key.wrapped[NONCE_BYTES:], bound_to(key.name))
    except (InvalidTag, ValueError) as error:
        raise damaged(key) from error


def damaged(key: WrappedKey) -> SealingFailed:
    """Return the error for a data key that its master key does not open."""
    return SealingFailed(
        f"the data key of {key.name} was altered: the master key {key.master} does not open it",
        next_step="restore the record of the topic of keys from a copy",
    )


def _backed(file: str) -> FileBacked[bytes]:
    return FileBacked((file,), lambda: read_master_key(file))
