"""`chatbridge convert` as a process, and its records in a form that can be compared."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import fastavro
import fastavro.schema

HERE = Path(__file__).parents[1]
SAMPLES = sorted((HERE / "samples").glob("*.xml"))
SCHEMA: Any = fastavro.schema.load_schema(str(HERE.parent / "schemas" / "org.chatbridge.v1.TranscriptEvent.avsc"))
ENVIRON = {key: value for key, value in os.environ.items() if not key.startswith("CHATBRIDGE_")}
INTEGRITY_BYTES = 2 * (1 + 32)  # two hashes, each behind its length
Record = dict[str, Any]


def convert(*words: str | Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "bridge", "convert", *map(str, words)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False, env={**ENVIRON, **environ})


def expected(sample: Path) -> list[Record]:
    """What people have found in the XML."""
    lines = (HERE / "samples" / "expected" / f"{sample.stem}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in lines.splitlines()]


def records_of(stdout: bytes) -> list[Record]:
    return [json.loads(line) for line in stdout.decode("utf-8").splitlines()]


def timeless(records: list[Record]) -> list[Record]:
    """The records without what differs from run to run."""
    return [{key: value for key, value in each.items() if key not in ("observedAt", "integrity")} for each in records]


def assert_chained(records: list[Record]) -> None:
    """Each record's hash covers its own bytes and the record before it; the bytes are fastavro's, not the bridge's."""
    previous = hashlib.sha256(records[0]["sessionId"].encode()).digest()
    for record in records:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, SCHEMA, as_avro(record))
        own = hashlib.sha256(previous + out.getvalue()[:-INTEGRITY_BYTES]).digest()
        assert record["integrity"] == {"previousHash": previous.hex(), "hash": own.hex()}
        previous = own


def as_avro(record: Record) -> Record:
    """A line's record as an Avro writer takes it: times as times, hashes as bytes."""
    session, integrity = record["session"], record["integrity"]
    return {
        **record,
        "occurredAt": record["occurredAt"] and datetime.fromisoformat(record["occurredAt"]),
        "observedAt": datetime.fromisoformat(record["observedAt"]),
        "session": {**session, "startAt": session["startAt"] and datetime.fromisoformat(session["startAt"])},
        "integrity": {name: bytes.fromhex(text) for name, text in integrity.items()},
    }
