"""A Certificate as the fields of its record, for the general encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bridge.transcript.entries import Certificate, Gap


def certificate_fields(certificate: Certificate, head: bytes) -> dict[str, Any]:
    """Return the fields; `head` is the hash of the chat's last record in the output."""
    watch, part = certificate.watch, certificate.part
    return {
        "verdict": certificate.verdict,
        "reasons": certificate.reasons,
        "details": certificate.details,
        "epoch": certificate.epoch,
        "lastSequence": certificate.last_sequence,
        "counts": certificate.counts,
        "idRanges": _ranges(certificate.id_ranges),
        "gaps": [gap_fields(gap) for gap in certificate.gaps],
        "filled": [gap_fields(gap) for gap in certificate.filled],
        "amendments": certificate.amendments,
        "idsReused": certificate.ids_reused,
        "masked": certificate.masked,
        "quarantined": certificate.quarantined,
        "unattributed": certificate.unattributed,
        "rejoins": certificate.rejoins,
        "supersedes": certificate.supersedes,
        "head": head,
        "ending": certificate.ending,
        "endedBy": certificate.ended_by,
        "endedByType": certificate.ended_by_type,
        "firstEventId": certificate.first_event_id,
        "lastEventId": certificate.last_event_id,
        "holes": None
        if certificate.holes is None
        else [{"fromEventId": low, "toEventId": high, "class": what} for low, high, what in certificate.holes],
        "archived": certificate.archived,
        "sinceOpening": watch.since_opening,
        "joins": certificate.joins,
        "joinedAt": watch.joined_at,
        "unwatched": [{"from": one.since, "to": one.until, "code": one.code} for one in certificate.unwatched],
        "unwatchedMore": watch.unwatched_more,
        "lowestVersion": watch.lowest_version,
        "highestVersion": watch.highest_version,
        "visibility": watch.visibility,
        "sources": list(watch.sources),
        "blindSpots": certificate.blind_spots,
        "offsets": [one._asdict() for one in certificate.offsets],
        "part": None if part is None else {"counts": part.counts, "idRanges": _ranges(part.id_ranges)},
    }


def _ranges(pairs: list[tuple[int, int]]) -> list[dict[str, int]]:
    return [{"from": low, "to": high} for low, high in pairs]


def gap_fields(gap: Gap) -> dict[str, Any]:
    """Return a Gap as a record for the general encoder."""
    return {
        "fromEventId": gap.from_event_id,
        "toEventId": gap.to_event_id,
        "since": gap.since,
        "code": gap.code,
        "detail": gap.detail,
    }
