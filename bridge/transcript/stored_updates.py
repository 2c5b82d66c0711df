"""What a stored transcript tells of its chat: an input of the fold, beside the updates of live sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from bridge.transcript.updates import TranscriptUpdate  # noqa: TC001 - the compiled form looks it up

if TYPE_CHECKING:
    from bridge.transcript.entries import Gap
    from bridge.transcript.events import ChatEvent

_event_id: Final = attrgetter("event_id")


@dataclass(slots=True)
class StoredUpdate:
    """A stored transcript, or some of its events.

    `update` has the events and what is known of the session; its other fields mean nothing. `final`: the chat is over,
    and with this update all of its last stored transcript was told. `losses` are the events of it that cannot be read,
    `reach` is the highest id in all of it, -1 without any; both only matter in the final one.
    """

    update: TranscriptUpdate
    final: bool
    losses: list[Gap] = field(default_factory=list)
    reach: int = -1

    @property
    def events(self) -> list[ChatEvent]:
        """The events, by rising ids."""
        return sorted(self.update.transcript.chat_event_list, key=_event_id)

    def tells_all_of(self, gap: Gap) -> bool:
        """Tell whether all of a gap lies in what this transcript has, or never had: before its end, beside its losses.

        A gap without an end is told all of if what was known before it is in the transcript.
        """
        low, high = gap.from_event_id, gap.to_event_id
        last = (0 if low is None else low - 1) if high is None else high
        return last <= self.reach and not any(_meet(gap, loss) for loss in self.losses)


def _meet(one: Gap, other: Gap) -> bool:
    """Tell whether two gaps may miss the same event."""
    if one.from_event_id is None or other.from_event_id is None:
        return True
    return (one.to_event_id is None or other.from_event_id <= one.to_event_id) and (
        other.to_event_id is None or one.from_event_id <= other.to_event_id
    )
