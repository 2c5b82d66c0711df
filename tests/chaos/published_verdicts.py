"""The verdict of a chat as its ledger and the ids of its published events tell it, whatever the bridge says of them.

Which events were committed before a worker or a connection ended no Chat Server can know, but the topic shows it. Of
each event record its id is read, whether it was pushed or in a history, and when it came: no GAP, no certificate. An id
that is missing was left out of the first history, skipped between two pushes, or left out of a later history; and the
push of the last event says that the chat is over.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from tests.chaos.ledger_verdicts import COMPLETE, EXPECTED, INCOMPLETE, RANK, LedgerChatView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.chaos.damaged_lines import Damage
    from tests.chaos.published_events import PublishedEvent

_PAIR: Final = 2


def judge_published(
    session_id: str, chat: LedgerChatView, events: Sequence[PublishedEvent], damage: Damage
) -> set[str]:
    """Return the verdicts that the certificate of a chat that was closed may have; `events` in their order."""
    if not events:
        return {INCOMPLETE}
    found = {COMPLETE}
    published = {event.event_id for event in events}
    with_the_end = {number for number, at, direct in chat.events if not direct and at == chat.closed}
    if with_the_end and not with_the_end & published:
        found.add(INCOMPLETE)
    too_late = [at for at in chat.asked if chat.closed is not None and at > chat.closed]
    if any(at < events[-1].came for at in too_late):
        found.add(INCOMPLETE)  # somebody else had found the chat over before its end was published
    if session_id in damage.surely:
        found.add(INCOMPLETE)
    possible = {
        max(found | _of_ids(chat, events, _not_in_a_history(chat, events, beside=beside)), key=RANK.index)
        for beside in (True, False)
    }
    # Whoever asks later may have a shard whose former owner has the end, but publishes it when it has the shard again.
    if not with_the_end or too_late or session_id in damage.maybe:
        possible.add(INCOMPLETE)
    return possible


def _of_ids(chat: LedgerChatView, events: Sequence[PublishedEvent], unsure: Sequence[tuple[int, int]]) -> set[str]:
    """Return the verdicts that follow from the ids that are missing; between `unsure` ones something may be lost."""
    published = {event.event_id for event in events}
    first = next((event.came for event in events if not event.live), math.inf)
    in_first_history = max((event.event_id for event in events if event.came == first and not event.live), default=0)
    shown = {number for number, _, direct in chat.events if not direct}
    found: set[str] = set()
    for number in set(range(1, max(published))) - published:
        if number in shown:
            found.add(INCOMPLETE)  # the monitor could have had it
        elif number < in_first_history:
            found.add(EXPECTED)
        else:
            after = next(event for event in events if event.event_id > number)
            skipped = after.live and chat.able >= _PAIR and not any(low < number < high for low, high in unsure)
            found.add(EXPECTED if skipped else INCOMPLETE)
    return found


def _not_in_a_history(chat: LedgerChatView, events: Sequence[PublishedEvent], *, beside: bool) -> list[tuple[int, int]]:
    """Return the ids between which something may have been missed, as a history did not go beyond what was known.

    So it is where ids began again below the highest one: an absence is over with the first id above that.
    `beside`: also those that joined while another monitor was there all the time, which may be the one that published.
    """
    stays = chat.monitors.values()
    found: list[tuple[int, int]] = []
    for joined, _ in sorted(chat.monitors.values())[1:]:
        known = max((event.event_id for event in events if event.came < joined), default=0)
        after = next((event for event in events if event.came >= joined and event.event_id > known), None)
        if not known or after is None or not after.live:
            continue
        if beside or not any(other < joined and left > after.came for other, left in stays):
            found.append((known, after.event_id))
    return found
