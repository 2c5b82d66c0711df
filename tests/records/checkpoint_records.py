"""The head of a checkpoint, and how its chat was watched, for the general encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.transcript.watch import Watch

if TYPE_CHECKING:
    from bridge.records.checkpoint import CheckpointHead
    from bridge.records.held_records import HeldState
    from bridge.records.watch_blocks import ChainOffsets


def offset_numbers(known: ChainOffsets) -> list[int]:
    numbers = []
    for first, last in ((known.first_event, known.last_event), (known.first_session, known.last_session)):
        base = -1 if first is None else first
        numbers += [base, (base if last is None else last) - base]
    return numbers


def watch_record(watch: Watch) -> dict[str, Any] | None:
    if watch == Watch(since_opening=False):
        return None
    closing = watch.closing
    return {
        "sinceOpening": watch.since_opening,
        "joinedAt": watch.joined_at,
        "historyTo": watch.history_to,
        "lowestVersion": watch.lowest_version,
        "highestVersion": watch.highest_version,
        "visibility": watch.visibility,
        "sources": list(watch.sources),
        "unwatched": [{"from": one.since, "to": one.until, "code": one.code} for one in watch.unwatched],
        "unwatchedMore": watch.unwatched_more,
        "closing": closing
        and {
            "eventId": closing.event_id,
            "ending": closing.ending,
            "userId": closing.user_id,
            "userType": closing.user_type,
        },
        "directMessages": watch.direct_messages,
    }


def extra_record(head: CheckpointHead) -> dict[str, Any] | None:
    away, tree = head.away, head.stamp.tree
    if not head.stored and away is None and tree is None and head.position is None and not head.numbers:
        return None
    return {
        "stored": head.stored,
        "unwatchedSince": away and away.since,
        "unwatchedCode": away and away.code,
        "tree": tree and {"name": tree.name, "size": tree.size, "roots": tree.roots},
        "position": head.position,
        "splitNumbers": [
            {
                "output": output,
                "userId": number.user_id,
                "detector": number.detector,
                "standIn": number.stand_in,
                "records": list(number.records),
                "eventId": number.event_id,
                "completedBy": number.completed_by,
            }
            for output, numbers in head.numbers.items()
            for number in numbers
        ],
    }


def head_record(head: CheckpointHead) -> dict[str, Any]:
    return {
        "state": head.state,
        "sequence": head.sequence,
        "epoch": head.epoch,
        "chainHead": head.chain_head,
        "outputs": [
            {"output": one.output, "firstSequence": one.first, "head": one.head, "held": held(one.held)}
            for one in head.chains
        ],
        "counts": head.counts,
        "awaySince": head.absence.since if head.absence else None,
        "awayAfter": head.absence.after if head.absence else None,
        "observedAt": head.observed_at,
        "segments": head.segments,
        "extra": extra_record(head),
        "offsets": [number for one in head.offsets for number in offset_numbers(one)],
        "owner": head.stamp.owner,
        "batch": head.stamp.number,
        "owners": [number for pair in head.stamp.owners for number in pair],
        "outlined": head.outlined,
    }


def held(state: HeldState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        "ended": state.ended,
        "lastSequence": state.last,
        "certified": state.certified,
        "counts": state.counts,
        "idRanges": [edge for pair in state.id_ranges for edge in pair],
        "amendments": state.amended,
        "idsReused": state.reused,
    }
