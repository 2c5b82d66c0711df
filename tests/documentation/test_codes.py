from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from bridge.adapters.kafka import connection_codes, topic_codes
from bridge.archive import repair_codes
from bridge.capture import readiness_codes
from bridge.capture.readiness_codes import READINESS_CODES
from bridge.doctor.results import doctor_codes
from bridge.errors import EnvironmentFault
from bridge.meters import UCS_MISSING
from bridge.reconciliation import differences
from bridge.records.avro import schema_folder
from bridge.sources.ucs import feeder_codes
from bridge.transcript import gap_codes, input_codes, link_codes, summary_codes
from bridge.transcript.gap_codes import CERTIFICATE_CODES, GAP_CODES
from bridge.transcript.input_codes import QUARANTINE_CODES
from bridge.transcript.summary_codes import APPROXIMATE_CODES, NO_SUMMARY_CODES
from tests.documentation.codes_page import SETS

if TYPE_CHECKING:
    from types import ModuleType

DOCUMENTED = {code for one in SETS for code in one.codes}


def doc_of(record: str, field: str) -> str:
    schema: Any = json.loads((schema_folder() / f"org.chatbridge.v1.{record}.avsc").read_text("utf-8"))
    return next(str(one["doc"]) for one in schema["fields"] if one["name"] == field)


@pytest.mark.parametrize(
    "module",
    [
        gap_codes,
        input_codes,
        link_codes,
        readiness_codes,
        connection_codes,
        topic_codes,
        doctor_codes,
        repair_codes,
        differences,
        feeder_codes,
        *(gap_codes, input_codes, link_codes, summary_codes, readiness_codes),
        *(connection_codes, topic_codes, doctor_codes, repair_codes),
    ],
    ids=lambda module: module.__name__,
)
def test_every_code_is_upper_case_says_its_own_name_and_is_in_a_documented_set(module: ModuleType) -> None:
    codes = {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}
    assert all(name == value for name, value in codes.items() if not name.startswith("_"))
    public = {value for name, value in codes.items() if not name.startswith("_")}
    assert public <= DOCUMENTED
    assert all(re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", code) for code in public)


def test_every_code_has_a_meaning_and_says_what_to_do() -> None:
    for one in SETS:
        for code, (meaning, todo) in one.codes.items():
            assert meaning.endswith("."), code
            assert todo.endswith("."), code


def test_the_schemas_list_the_codes_of_their_fields() -> None:
    fields = (("Gap", "code", GAP_CODES), ("QuarantinedInput", "code", QUARANTINE_CODES))
    for record, field, codes in fields:
        assert set(re.findall(r"[A-Z][A-Z0-9_]{3,}", doc_of(record, field))) == set(codes), record
    for record, field, codes in (
        ("Certificate", "reasons", CERTIFICATE_CODES),
        ("SessionRecord", "noSummary", NO_SUMMARY_CODES),
        ("Summary", "approximateReasons", APPROXIMATE_CODES),
    ):
        words = set(re.findall(r"[A-Z][A-Z0-9_]{3,}", doc_of(record, field))) - {"CLOSED"}
        assert words == set(codes), record


def test_every_fault_of_the_environment_is_a_documented_reason_not_to_be_ready() -> None:
    faults: list[type[EnvironmentFault]] = [EnvironmentFault, *EnvironmentFault.__subclasses__()]
    assert {fault.code for fault in faults} <= READINESS_CODES.keys()


def test_the_reasons_of_missing_chats_are_the_labels_of_their_metric() -> None:
    assert tuple(code.lower() for code in feeder_codes.MISSING_CODES) == UCS_MISSING


def test_a_gap_and_the_quarantine_record_of_a_withdrawn_event_have_the_same_code() -> None:
    assert QUARANTINE_CODES.keys() >= gap_codes.WITHDRAWN
