"""The signature of a SessionRecord: its last field, `signature`, over all bytes before it.

What is signed is `PREFIX` and the Avro encoding of the record up to that field, without the payload header: the same
bytes whatever registry there is, and the content of the record's leaf in the tree. Ed25519 is deterministic: a record
that is signed again with the same key is the same record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.errors import VerificationFailed
from bridge.evidence.signed_note import ED25519
from bridge.records.binary import NULL, SOME, data, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.evidence.signed_note import PublicKey

PREFIX: Final = b"chatbridge/SessionRecord/v1\n"
"""What is signed begins so: no signature of a record can be taken for one of something else."""


def statement_of(payload: bytes) -> bytes:
    """Return the bytes before `signature` of a SessionRecord that is not signed yet. Raises ValueError."""
    if payload[-1:] != NULL:
        raise ValueError("a record that is signed, or does not end in the field signature")
    return payload[:-1]


def message_of(statement: bytes) -> bytes:
    """Return what is signed of a SessionRecord, given the bytes before `signature`."""
    return PREFIX + statement


def signed_field(key: PublicKey, signature: bytes) -> bytes:
    """Return the encoding of the field `signature`."""
    return SOME + text(key.key_id) + text(ED25519) + data(signature)


def split_signature(payload: bytes, signature: dict[str, Any] | None) -> bytes:
    """Return the bytes before `signature` of a record, given that field decoded.

    Raises VerificationFailed when the record does not end in that field, as one of an earlier schema does not.
    """
    field = NULL
    if signature is not None:
        field = SOME + text(signature["keyId"]) + text(signature["algorithm"]) + data(signature["signature"])
    if not payload.endswith(field):
        raise VerificationFailed("the record does not end in its signature")
    return payload[: -len(field)]


def check_signature(payload: bytes, signature: dict[str, Any] | None, keys: Iterable[PublicKey]) -> PublicKey:
    """Return which of the keys has signed a SessionRecord, given its payload and its field `signature`.

    Raises VerificationFailed when it is not signed, not by one of them, or the signature is not valid.
    """
    if signature is None:
        raise VerificationFailed("the record is not signed")
    key = next((one for one in keys if one.key_id == signature["keyId"]), None)
    if key is None or signature["algorithm"] != ED25519:
        raise VerificationFailed(f"the record is signed with an unknown key: {signature['keyId']}")
    if not key.verifies(message_of(split_signature(payload, signature)), signature["signature"]):
        raise VerificationFailed(f"the signature of {key.key_id} is not valid")
    return key
