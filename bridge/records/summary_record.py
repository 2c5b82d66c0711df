"""A Summary as a record for the general encoder: each field is one of the schema of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.transcript.summary import DEFINITIONS

if TYPE_CHECKING:
    from bridge.transcript.response_times import TimeSketch
    from bridge.transcript.summary import Summary


def summary_fields(summary: Summary) -> dict[str, Any]:
    """Return the fields of a record Summary."""
    return {
        "definitions": DEFINITIONS,
        "approximate": bool(summary.approximate_reasons),
        "approximateReasons": summary.approximate_reasons,
        "durationSeconds": summary.duration,
        "waitSeconds": summary.wait,
        "firstResponseSeconds": summary.first_response,
        "agentResponses": _response_times(summary.responses),
        "longestSilenceSeconds": summary.longest_silence,
        "byUserType": {
            role: {"messages": figures.messages, "characters": figures.characters}
            for role, figures in sorted(summary.by_user_type.items())
        },
        "agents": summary.agents,
        "transfers": summary.transfers,
        "conferences": summary.conferences,
        "coachings": summary.coachings,
        "botHandled": summary.bot_handled,
        "botHandedOver": summary.bot_handed_over,
        "filesUploaded": summary.files_uploaded,
        "filesDeleted": summary.files_deleted,
        "closeReason": summary.close_reason,
        "closedByUserType": summary.closed_by_user_type,
        "closedByUserId": summary.closed_by_user_id,
        "abandoned": summary.abandoned,
        "idleClosed": summary.idle_closed,
        "async": summary.asynchronous,
    }


def _response_times(sketch: TimeSketch) -> dict[str, Any]:
    return {
        "count": sketch.count,
        "sumSeconds": sketch.total,
        "maxSeconds": sketch.longest,
        "p50Seconds": sketch.percentile(50),
        "p90Seconds": sketch.percentile(90),
        "buckets": [{"fromSeconds": start, "count": count} for start, count in sorted(sketch.buckets.items())],
    }
