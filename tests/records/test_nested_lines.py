"""JSON of others that is nested beyond what can be read: lines of exported files, records of the topic of keys."""

from __future__ import annotations

import pytest

from bridge.errors import VerificationFailed
from bridge.records.record_lines import place_of_line, record_of_line, schema_of_line
from bridge.sealing.data_keys import parsed_key_record

LINE = b'{"other":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def test_a_line_that_is_nested_too_deeply_is_no_line_of_a_file() -> None:
    assert place_of_line(LINE) is None
    assert schema_of_line(LINE) is None
    with pytest.raises(VerificationFailed, match="no record with its value"):
        record_of_line(LINE)


def test_a_key_record_that_is_nested_too_deeply_cannot_be_read() -> None:
    with pytest.raises(VerificationFailed, match="cannot be read"):
        parsed_key_record("chat", LINE)
