"""Whether an event record names the GAP that it fills: one of before that said that its event may be missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.records.ids import amendment_number, bridge_id, escaped
from bridge.transcript.entries import ARCHIVE, LIVE
from bridge.transcript.gap_codes import OUTPUT_ADDED, UNTIL_JOINED, UNTIL_STORED, WITHDRAWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.transcript.entries import Gap


def misnamed(record: dict[str, Any], told: Mapping[int, Gap], epoch: int, *, truncated: bool) -> str | None:
    """Return what is wrong with `fills` of a TranscriptEvent; None if nothing is.

    `told` are the gaps of the epoch so far, by sequence. `truncated`: not all of them are known.
    """
    named, event_id = record["fills"], record["eventId"]
    if event_id is None or record["amendment"] is not None:
        return None if named is None else f"fills {named}, although it is not the first record of an event"
    session = escaped(record["sessionId"])
    until = UNTIL_STORED if record["origin"] == ARCHIVE else UNTIL_JOINED
    holding = {
        bridge_id(session, epoch, sequence): gap for sequence, gap in told.items() if _may_hold(gap, event_id, until)
    }
    if named is None:
        due = [name for name, gap in holding.items() if gap.to_event_id is not None]
        return f"does not say that it fills {due[0]}" if due else None
    if named not in holding and not truncated and not _before_the_beginning(named, told, session, epoch):
        return f"fills {named}, which is not a GAP that missed event {event_id}"
    return f"fills {named}, although it is live" if record["origin"] == LIVE else None


def _before_the_beginning(named: str, told: Mapping[int, Gap], session: str, epoch: int) -> bool:
    """Tell whether a GAP is one of those before the chat began in this output, which has none of them."""
    begun = max((sequence for sequence, gap in told.items() if gap.code == OUTPUT_ADDED), default=0)
    number = amendment_number(named)  # the digits at its end
    return 0 < number <= begun and named == bridge_id(session, epoch, number)


def _may_hold(gap: Gap, event_id: int, until: frozenset[str]) -> bool:
    """Tell whether an event that comes later may be one that the gap missed, if it has no end one of these codes."""
    low, high = gap.from_event_id, gap.to_event_id
    if high is None:
        return gap.code in until and (low or 0) <= event_id
    return gap.code not in WITHDRAWN and low is not None and low <= event_id <= high
