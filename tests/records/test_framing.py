from __future__ import annotations

import pytest
from fastavro.schema import fingerprint

from bridge.errors import VerificationFailed
from bridge.records.avro import TRANSCRIPT_EVENT, Schemas
from bridge.records.framing import confluent, single_object, unframe


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
    # Apache Avro, share/test/data/schema-tests.txt, test cases 000, 001, 007 and 013: signed 64-bit numbers.
    [
        (b'"null"', 7195948357588979594),
        (b'"boolean"', -6970731678124411036),
        (b'"int"', 8247732601305521295),
        (b'"string"', -8142146995180207161),
    ],
)
def test_rabin_fingerprints_are_those_of_the_avro_project(canonical: bytes, value: int) -> None:
    assert rabin(canonical) == value % 2**64


def test_the_fingerprint_of_a_schema_is_little_endian(schemas: Schemas) -> None:
    canonical = apache_canonical_form(schemas.text(TRANSCRIPT_EVENT))
    assert schemas.fingerprint(TRANSCRIPT_EVENT) == rabin(canonical).to_bytes(8, "little")


def test_two_types_have_two_fingerprints(schemas: Schemas) -> None:
    names = [name for name in schemas.names() if name in ROOTS]
    assert len({schemas.fingerprint(name) for name in names}) == len(ROOTS)
