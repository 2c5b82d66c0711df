from __future__ import annotations

import avro.schema
import pytest

from bridge.errors import VerificationFailed
from bridge.records.avro import ROOTS, Schemas
from bridge.records.payload_framing import confluent, single_object, unframe

_EMPTY = 0xC15D213AA4D7A795


def rabin(data: bytes) -> int:
    """CRC-64-AVRO as the Avro specification writes it, without a table."""
    found = _EMPTY
    for byte in data:
        found ^= byte
        for _ in range(8):
            found = (found >> 1) ^ (_EMPTY if found & 1 else 0)
    return found


def test_the_registry_form_carries_the_schema_id_big_endian() -> None:
    assert confluent(258) == b"\x00\x00\x00\x01\x02"
    assert unframe(confluent(258) + b"payload") == (258, b"payload")


def test_the_single_object_form_carries_the_fingerprint() -> None:
    assert unframe(single_object(b"12345678") + b"payload") == (b"12345678", b"payload")


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00\x00\x00\x01", b"\xc3\x01short", b"{}", b"\xc3"])
def test_a_value_with_neither_prefix_is_refused(value: bytes) -> None:
    with pytest.raises(VerificationFailed):
        unframe(value)


@pytest.mark.parametrize(
    ("canonical", "value"),
    # Apache Avro, share/test/data/schema-tests.txt: signed 64-bit numbers.
    [
        (b'"null"', 7195948357588979594),
        (b'"boolean"', -6970731678124411036),
        (b'"int"', 8247732601305521295),
        (b'"string"', -8142146995180207161),
    ],
)
def test_rabin_fingerprints_are_those_of_the_avro_project(canonical: bytes, value: int) -> None:
    assert rabin(canonical) == value % 2**64


@pytest.mark.parametrize("name", ROOTS)
def test_the_fingerprint_is_that_of_the_canonical_form_of_another_avro_library(schemas: Schemas, name: str) -> None:
    # That library strips logicalType too late to see a plain long: rule PRIMITIVES of the canonical form, by hand.
    canonical = avro.schema.parse(schemas.text(name)).canonical_form.replace('{"type":"long"}', '"long"')
    assert schemas.fingerprint(name) == rabin(canonical.encode()).to_bytes(8, "little")
