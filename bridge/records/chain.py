"""The hash chain of a chat: each record's `integrity` binds it to the record before it.

`integrity` is the last field of a TranscriptEvent and has a fixed size, so the hashed bytes are all the bytes
before it: `hash = SHA-256(previousHash || those bytes)`. The chain starts from `genesis(session_id, epoch)`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from bridge.errors import VerificationFailed

HASH_BYTES: Final = 32

_SIZE: Final = b"\x40"  # Avro's length prefix of 32 bytes: zigzag of 32
_HASH_AT: Final = len(_SIZE) + HASH_BYTES
_TRAILER_BYTES: Final = 2 * _HASH_AT


def genesis(session_id: str, epoch: int = 0) -> bytes:
    """Return the value that stands for "the record before the first" of an epoch.

    SHA-256 of the session id in UTF-8; of a later epoch than 0, followed by the byte 0xFF, which occurs in no UTF-8,
    and the epoch in decimal digits.
    """
    return sha256(session_id.encode() + (b"\xff%d" % epoch if epoch else b"")).digest()


def link(previous: bytes, body: bytes) -> bytes:
    """Return the hash of a record whose encoding before `integrity` is `body`."""
    return sha256(previous + body).digest()


def trailer(previous: bytes, own: bytes) -> bytes:
    """Return the encoding of the `integrity` field."""
    return _SIZE + previous + _SIZE + own


def split(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """Return (body, previousHash, hash) of an encoded TranscriptEvent.

    Raises VerificationFailed when the payload does not end in an integrity field.
    """
    if len(payload) < _TRAILER_BYTES or payload[-_TRAILER_BYTES] != _SIZE[0] or payload[-_HASH_AT] != _SIZE[0]:
        raise VerificationFailed("the record does not end in an integrity field")
    return payload[:-_TRAILER_BYTES], payload[1 - _TRAILER_BYTES : -_HASH_AT], payload[-HASH_BYTES:]
