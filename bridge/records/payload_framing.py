"""The payload header of a Kafka value: it names the schema that the Avro payload after it was written with.

With a schema registry: Confluent's wire format, `0x00` and the schema's id in 4 bytes, big-endian. Without one: Avro
single-object encoding, `0xC3 0x01` and the schema's CRC-64-AVRO fingerprint in 8 bytes, little-endian. The first byte
distinguishes the two.
"""

from __future__ import annotations

from typing import Final

from bridge.errors import VerificationFailed

_CONFLUENT: Final = b"\x00"
_SINGLE_OBJECT: Final = b"\xc3\x01"
_CONFLUENT_BYTES: Final = 5
_SINGLE_OBJECT_BYTES: Final = 10


def confluent(schema_id: int) -> bytes:
    """Return the payload header for a schema that has this id in the registry."""
    return _CONFLUENT + schema_id.to_bytes(4, "big")


def single_object(fingerprint: bytes) -> bytes:
    """Return the payload header for a schema with this fingerprint (8 bytes, `Schemas.fingerprint`)."""
    return _SINGLE_OBJECT + fingerprint


def unframe(value: bytes) -> tuple[int | bytes, bytes]:
    """Return (writer_schema_id, payload); the first is a registry's id, or a fingerprint.

    Raises VerificationFailed when the value has neither of the two headers.
    """
    if value[:1] == _CONFLUENT and len(value) >= _CONFLUENT_BYTES:
        return int.from_bytes(value[1:_CONFLUENT_BYTES], "big"), value[_CONFLUENT_BYTES:]
    if value[:2] == _SINGLE_OBJECT and len(value) >= _SINGLE_OBJECT_BYTES:
        return value[2:_SINGLE_OBJECT_BYTES], value[_SINGLE_OBJECT_BYTES:]
    raise VerificationFailed("the value is framed neither for a schema registry nor as an Avro single object")
