"""The log over certificates with two outputs: each verifies its own certificates without reading the other's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bridge.capture.session_store import SessionStore
from bridge.commands.log_checks import LogChecks
from bridge.evidence.log_audit import LEAF_OUTPUT
from bridge.records.avro import SESSION_RECORD
from tests.capture.evidence_topics import LEAVES, evidence
from tests.capture.test_session_store import NOW, SCHEMAS
from tests.capture.test_shard_evidence import begun, ended
from tests.capture.two_outputs import AUDIT, BOTH, PARTITION, settings_of
from tests.evidence.signing_keys import NAME

if TYPE_CHECKING:
    from bridge.capture.outputs import Output
    from bridge.capture.ports import Batch


@pytest.fixture
def batch() -> Batch:
    """Return a transaction that ends two chats in two outputs."""
    settings = settings_of(*BOTH, partition_of=lambda _: PARTITION, evidence=evidence())
    store = SessionStore(PARTITION, settings)
    return store.fold([*begun("a", "b"), *ended("a", "b")], NOW).batch


def findings(batch: Batch, output: Output, left_out: int = 0, settled: int | None = None) -> list[str]:
    """Return what the log says of one output, of whose last session records so many are not there.

    `settled`: where the leaves ended before session records were read.
    """
    checks = LogChecks(NAME, [], output.name)
    if settled is not None:
        checks.settle({PARTITION: settled})
    records = [record.value or b"" for record in batch.on(output.topics["sessions"])]
    for value in records[: len(records) - left_out]:
        payload = value.removeprefix(output.payload_headers["sessions"])
        checks(payload, SCHEMAS.decode(SESSION_RECORD, payload), PARTITION)
    for offset, leaf in enumerate(batch.on(LEAVES)):
        checks.feed_leaf(PARTITION, leaf.key, leaf.value, offset, leaf.headers)
    return [one.message for one in checks.of_certificates({PARTITION: True}, one_chat=False)]


def test_each_certificate_of_each_output_is_a_leaf_that_names_its_output(batch: Batch) -> None:
    assert [leaf.headers for leaf in batch.on(LEAVES)] == [[], [(LEAF_OUTPUT, AUDIT.encode())]] * 2


@pytest.mark.parametrize("output", BOTH, ids=lambda output: output.name)
def test_an_output_lacks_none_of_its_certificates_and_only_those_are_asked_of_it(batch: Batch, output: Output) -> None:
    assert findings(batch, output) == []
    [missing] = findings(batch, output, left_out=1)
    assert missing.startswith(f"partition {PARTITION}: 1 certificates of the log are not on the sessions topic")


@pytest.mark.parametrize(("settled", "missing"), [(4, 1), (3, 1), (2, 0)])
def test_a_certificate_that_came_after_the_session_records_were_read_is_not_missed(
    batch: Batch, settled: int, missing: int
) -> None:
    assert len(findings(batch, BOTH[0], left_out=1, settled=settled)) == missing
