"""For any bytes: reading a record raises only VerificationFailed, verify never raises and says when it cannot read one.

That is so for the framing, for each of the topics' types, for checkpoints, for the chain and for what `tail` shows.
The seeds are records as they are made now, besides the corpus; the work grows with the length and not faster.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import pytest

from bridge.errors import SchemaUnknown, VerificationFailed
from bridge.records.audit_chain import REQUESTED, AuditChain, AuditEntry
from bridge.records.avro import ROOTS, SESSION_CHECKPOINT, Schemas, schema_folder
from bridge.records.chain import split
from bridge.records.checkpoint_keys import MARKER_KEY
from bridge.records.checkpoint_reader import read_checkpoints
from bridge.records.findings import READABLE
from bridge.records.payload_framing import single_object, unframe
from bridge.records.render import Renderer
from bridge.records.verifier import Verifier
from bridge.records.writer_schemas import WriterSchemas
from tests.capture.link_harness import CHAT, PREFIX, LinkHarness, info, message, party
from tests.fuzz.engine import MARKER, Fuzzer, run_fixed, work

if TYPE_CHECKING:
    from pathlib import Path

SCHEMAS: Final = Schemas(schema_folder())
WRITERS: Final = WriterSchemas(SCHEMAS)
HEADER: Final = single_object(SCHEMAS.fingerprint(SESSION_CHECKPOINT))
RENDERER: Final = Renderer(SCHEMAS)
CALLS_PER_BYTE: Final = 60
KEYS: Final = (CHAT, f"{CHAT}#a", f"{CHAT}#s", f"{CHAT}#0", MARKER_KEY)
"""Of every kind of checkpoint."""

TOKENS: Final = (
    *(
        b"\xff" * 9 + b"\x01",
        b"\xfe" * 9 + b"\x01",
        b"\x80" * 20,
        b"\x01",
        b"\x02",
        b"\x40",
        b"\xc3\x01",
        b"\0\0\0\0\1",
    ),
    *(b":~", b":1:1", b"9" * 30, PREFIX, CHAT.encode(), b"GAP", b"CLOSED", b"\x08LIVE"),
)


def _seeds() -> tuple[bytes, ...]:
    with LinkHarness(CHAT, password=MARKER) as harness:
        harness.hears(
            info(CHAT, party(2, "00A2", MARKER, userData=[{"key": "a", "value": "b"}]), message(4, MARKER)),
            info(CHAT, message(4, "amended"), message(5, timeShift="x")),
        )
        harness.connect().hears(info(CHAT, message(9), reference=harness.join(CHAT)))
        checkpoints = [value for value in harness.checkpoints.values() if value and value[:10] == HEADER]
        harness.hears(info(CHAT, status="Over"))
        records = [*harness.events, *harness.sessions, *harness.quarantine]
        framed = [*(record.value or b"" for record in records), PREFIX + checkpoints[0][len(HEADER) :]]
    return (*framed, _audit_record(), *checkpoints, *(HEADER + value[len(PREFIX) :] for value in framed[:2]))


def _audit_record() -> bytes:
    """Return an audit record as another record is framed."""
    asked = AuditEntry(
        at=1, verb="erase", request="a" * 32, outcome=REQUESTED, session_ids=(CHAT,), who="a@b", reason=MARKER
    )
    return PREFIX + unframe(AuditChain(WRITERS, "main").made(asked))[1]


def check(data: bytes) -> str:
    labels: list[str] = []
    assert work(lambda: labels.append(_check(data))) <= 30_000 + CALLS_PER_BYTE * len(data)
    return labels[0]


def _check(data: bytes) -> str:
    try:
        _, payload = unframe(data)
    except VerificationFailed:
        payload, label = data, "no framing"
    else:
        assert data.endswith(payload)
        label = "framed"
    readable = []
    for name in ROOTS:
        try:
            record = SCHEMAS.decode(name, payload)
        except VerificationFailed:
            continue
        RENDERER.line(name, record)
        readable.append(name.rpartition(".")[2])
    for key in KEYS:
        with contextlib.suppress(VerificationFailed, SchemaUnknown):
            read_checkpoints(WRITERS, [(key, data)])
        with contextlib.suppress(VerificationFailed):
            read_checkpoints(WRITERS, [(key, HEADER + payload)])
    with contextlib.suppress(VerificationFailed):
        split(payload)
    return f"{label} {' '.join(readable)} {_verified(payload)}"


def _verified(payload: bytes) -> str:
    verifier = Verifier(SCHEMAS)
    for offset in range(2):  # the second time it is a duplicate
        verifier.feed_session(payload, 0, offset)
        verifier.feed_event(payload, 0, offset)
    found = verifier.findings()
    assert found
    # Of a record that can be read, ids and counts are quoted; of any other nothing.
    assert all(MARKER not in str(finding) for finding in found if finding.promise == READABLE)
    return ",".join(sorted({finding.promise for finding in found}))


FUZZER: Final = Fuzzer("records", check, TOKENS, _seeds())


@pytest.mark.parametrize("file", FUZZER.files(), ids=lambda file: file.name)
def test_every_file_of_the_corpus_is_refused_without_a_word_of_it(file: Path) -> None:
    assert file in FUZZER.files()
    assert check(file.read_bytes())


@pytest.mark.parametrize("name", ROOTS)
def test_every_kind_of_record_is_among_the_seeds(name: str) -> None:
    def readable(value: bytes) -> bool:
        try:
            SCHEMAS.decode(name, value[len(PREFIX) :])
        except VerificationFailed:
            return False
        return True

    assert any(map(readable, FUZZER.seeds))


def test_the_readers_of_records_bear_any_bytes() -> None:
    tally = run_fixed(FUZZER, 500)
    assert len(tally) > 10
    assert any(label.startswith("no framing") for label in tally)
    for name in ROOTS:
        assert any(name.rpartition(".")[2] in label for label in tally)
