"""Certificates in files: what `chatbridge proof` proves once the sessions topic does not have them any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.commands.record_files import files_of, opened
from bridge.errors import EnvironmentFault, VerificationFailed
from bridge.records.avro import SESSION_RECORD
from bridge.records.writer_schemas import WriterSchemas

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.records.avro import WriterSchema


def certificates_in(path: Path, session_id: str) -> list[tuple[str, bytes, dict[str, Any] | None]]:
    """Return chat, payload and signature of a chat's session records with a certificate, in the order of the files.

    `path` is a file of session records or a folder of files. Raises EnvironmentFault when it cannot be read.
    """
    writers = WriterSchemas.shipped()
    files = [one for one in (opened(each, writers) for each in files_of([path])) if one.type == SESSION_RECORD]
    if not files:
        raise EnvironmentFault(f"{path} has no file of session records", next_step="`chatbridge export` writes them")
    found = []
    for file in files:
        try:
            for read in file.records():
                if read.written is None:
                    raise read.unknown or VerificationFailed(f"record {read.number} cannot be read")
                record = read.record or _decoded(writers, read.payload, read.written)
                if record["sessionId"] == session_id and record["certificate"] is not None:
                    found.append((session_id, read.payload, record.get("signature")))
        except VerificationFailed as error:
            raise EnvironmentFault(f"{file.path}: {error.message}") from error
    return found


def _decoded(writers: WriterSchemas, payload: bytes, written: WriterSchema) -> dict[str, Any]:
    return writers.schemas.decode(SESSION_RECORD, payload, written)
