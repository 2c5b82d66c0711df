"""SessionRecords (a chat was opened or closed, with the certificate) and QuarantinedInputs (unreadable input).

Both are rare, so they use the general encoder.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import msgspec

from bridge.records.avro import CERTIFICATE, QUARANTINED_INPUT, SESSION_RECORD, SUMMARY
from bridge.records.certificate_fields import certificate_fields
from bridge.records.redacted_input import redacted_input
from bridge.records.summary_record import summary_fields
from bridge.sealing.opened_records import BYTES
from bridge.transcript.entries import INCOMPLETE
from bridge.transcript.gap_codes import LISTS_LEFT_OUT
from bridge.transcript.summary import Summary

if TYPE_CHECKING:
    from bridge.errors import Problem
    from bridge.records.avro import Schemas
    from bridge.records.redactor import Redaction, Redactor
    from bridge.sealing.chat_seal import ChatSeal
    from bridge.transcript.entries import Certificate, SessionFacts

OPENED: Final = "OPENED"
CLOSED: Final = "CLOSED"

SIGNATURE_ROOM: Final = 512
"""Bytes that the field `signature` may take once it is made: the id of a key has the names of a site and a topic."""

PART_BYTES: Final = 512 * 1024
"""Size of a part of a quarantined input: with framing and headers well below Kafka's default record limit."""


@dataclass(slots=True, frozen=True)
class ChainPlace:
    """Where a chat's chain stands: the site that it is captured in, its epoch, the hash of its last record.

    `rule_set` is the version of the rules of its output.
    """

    site: str
    epoch: int
    head: bytes
    rule_set: str | None = None


def session_record(  # noqa: PLR0913 - the fields of the record
    schemas: Schemas,
    state: str,
    facts: SessionFacts,
    at: int,
    *,
    certificate: Certificate | None,
    place: ChainPlace,
    summary: Summary | str | None = None,
    part: str | None = None,
    room: int | None = None,
) -> bytes:
    """Return the payload of a SessionRecord; `at` in us since 1970 UTC, `place` that of the chain at that time.

    `summary` is that of the chat, or the code that says why there is none; None when it was opened. `part` says which
    records the output takes, None: all. The record is not signed. If it exceeds `room` bytes, with room for the
    signature, the certificate is written without its lists and with the reason LISTS_LEFT_OUT.
    """
    payload = _session_record(
        schemas, state, facts, at, certificate=certificate, place=place, summary=summary, part=part
    )
    if room is None or certificate is None or len(payload) + SIGNATURE_ROOM <= room:
        return payload
    short = replace(
        certificate,
        verdict=INCOMPLETE,
        reasons=sorted([*certificate.reasons, LISTS_LEFT_OUT]),
        id_ranges=[],
        gaps=[],
        filled=[],
        holes=None,
        part=certificate.part and replace(certificate.part, id_ranges=[]),
    )
    return _session_record(schemas, state, facts, at, certificate=short, place=place, summary=summary, part=part)


def _session_record(  # noqa: PLR0913 - the fields of the record
    schemas: Schemas,
    state: str,
    facts: SessionFacts,
    at: int,
    *,
    certificate: Certificate | None,
    place: ChainPlace,
    summary: Summary | str | None,
    part: str | None,
) -> bytes:
    return schemas.encode(
        SESSION_RECORD,
        {
            "state": state,
            "sessionId": facts.session_id,
            "epoch": place.epoch,
            "at": at,
            "site": place.site,
            "source": facts.source,
            "startAt": facts.start_at,
            "tenant": facts.tenant,
            "server": facts.server,
            "clientVersion": facts.client_version,
            # With the names of their types: without, the encoder checks all of a record to find which type it is.
            "certificate": None if certificate is None else (CERTIFICATE, certificate_fields(certificate, place.head)),
            "summary": (SUMMARY, summary_fields(summary)) if isinstance(summary, Summary) else None,
            "noSummary": summary if isinstance(summary, str) else None,
            "ruleSet": place.rule_set,
            "subjects": list(facts.subjects),
            "part": part,
            "signature": None,
        },
    )


def json_of(value: object) -> bytes:
    """Return a decoded value as JSON again, for the quarantine, when the original bytes are no longer there."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:  # a lone surrogate, which no wire lets through
        return repr(value).encode("utf-8", "backslashreplace")


def quarantine_records(  # noqa: PLR0913 - the fields of the record
    schemas: Schemas,
    *,
    site: str,
    source: str,
    session_id: str | None,
    observed_at: int,
    reason: Problem,
    raw: bytes,
    redactor: Redactor,
    total_bytes: int | None = None,
    part_bytes: int = PART_BYTES,
    seal: ChatSeal | None = None,
) -> tuple[list[bytes], list[Redaction]]:
    """Return the payloads of one quarantined input, in as many parts as necessary; at least one; and what was redacted.

    `observed_at` in us since 1970 UTC. `raw` is the kept beginning of the input, `total_bytes` the size of all of it if
    that is more. P5: an input that names a secret is masked first, and the rules of `redactor` hold. With `seal`, what
    is kept is sealed then, as a whole.
    """
    kept, done = redacted_input(raw, redactor)
    if seal is not None:
        kept = seal.seal_bytes(BYTES, kept)
    redactions = [{"field": one.field, "rule": one.rule, "count": one.times} for one in done]
    parts = [kept[at : at + part_bytes] for at in range(0, len(kept), part_bytes)] or [b""]
    payloads = [
        schemas.encode(
            QUARANTINED_INPUT,
            {
                "site": site,
                "source": source,
                "sessionId": session_id,
                "observedAt": observed_at,
                "code": reason.code,
                "detail": reason.detail,
                "bytes": part,
                "part": number,
                "parts": len(parts),
                "totalBytes": len(raw) if total_bytes is None else total_bytes,
                "redactions": redactions,
                "ruleSet": redactor.rule_set,
            },
        )
        for number, part in enumerate(parts, 1)
    ]
    return payloads, done
