"""Which chats lines that are no messages have cost something: what is documented of such a line, and no more.

A line that names no chat may have been about each that is joined over its connection, and makes them INCOMPLETE. One
that was cut off takes the line after it with it, and so an event of one chat; if none comes before it ends, it names no
chat. What was committed shows in what was pushed after it over the same connection, and published.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.chaos.plan import HALF_A_LINE, HARMLESS_GARBAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.chaos.ledger_verdicts import FaultTimes, LedgerChatView, SentGarbage
    from tests.chaos.published_events import PublishedEvent

_SLACK: Final = 2.0
"""Seconds between a request to send something and its being sent, on a busy machine."""


@dataclass(slots=True)
class Damage:
    """The chats that surely, or perhaps, lost something to a line that is no message."""

    surely: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)

    def add(self, session_id: str, *, sure: bool) -> None:
        """Add a chat."""
        (self.surely if sure else self.maybe).add(session_id)


def damage_of(
    views: Mapping[str, LedgerChatView], published: Mapping[str, Sequence[PublishedEvent]], times: FaultTimes
) -> Damage:
    """Judge the chats of one ledger."""
    damage = Damage()
    for sent in times.garbage:
        there = {
            name: chat
            for name, chat in views.items()
            if chat.server == sent.server and any(_overlaps(sent, span) for span in chat.watched())
        }
        if sent.text == HALF_A_LINE:
            _half_a_line(there, published, times, sent, damage)
        elif sent.text not in HARMLESS_GARBAGE:
            for name, chat in there.items():
                damage.add(name, sure=_taken(chat, published.get(name, ()), times, sent.begin))
    return damage


def _overlaps(sent: SentGarbage, span: tuple[float, float]) -> bool:
    return span[0] - _SLACK < sent.end and sent.begin < span[1] + _SLACK


def _taken(chat: LedgerChatView, events: Sequence[PublishedEvent], times: FaultTimes, at: float) -> bool:
    """Tell whether what was sent at a time surely came to the only monitor, and was committed."""
    end = at + _SLACK
    if chat.captures(at - _SLACK, end, times):
        return True
    alone = [span for span in chat.watched() if span[0] < end and at < span[1]]
    if len(alone) != 1 or not alone[0][0] < at - _SLACK < end < alone[0][1]:
        return False
    until = min([alone[0][1], *(joined for joined, _ in chat.monitors.values() if joined > at)])
    return any(event.live and end < event.came < until for event in events)


def _half_a_line(
    there: Mapping[str, LedgerChatView],
    published: Mapping[str, Sequence[PublishedEvent]],
    times: FaultTimes,
    sent: SentGarbage,
    damage: Damage,
) -> None:
    """Find, on each connection, the chat that the line after it was about: its event did not come as a push."""
    for connection in sorted({one for chat in there.values() for one in chat.connections}):
        joined = {name: chat for name, chat in there.items() if _joined_over(chat, connection, sent)}
        pushes = sorted(_pushes(joined, connection, sent))
        pushed = {(name, event.event_id) for name in joined for event in published.get(name, ()) if event.live}
        first_later = next((at for at, _, _ in pushes if at >= sent.begin + _SLACK), math.inf)
        lost = [name for at, name, number in pushes if at <= first_later and (name, number) not in pushed]
        for name in lost[:1]:
            damage.add(name, sure=True)
        if not lost:  # it ended before another line came, or nothing of it was committed
            for name, chat in joined.items():
                damage.add(name, sure=not pushes and _taken(chat, published.get(name, ()), times, sent.end))


def _joined_over(chat: LedgerChatView, connection: int, sent: SentGarbage) -> bool:
    return any(
        one == connection and _overlaps(sent, span) for one, span in zip(chat.connections, chat.watched(), strict=False)
    )


def _pushes(
    joined: Mapping[str, LedgerChatView], connection: int, sent: SentGarbage
) -> Iterator[tuple[float, str, int]]:
    """Yield when an event was pushed over a connection while the line was not complete, of which chat, and its id."""
    for name, chat in joined.items():
        for one, (since, until) in zip(chat.connections, chat.watched(), strict=False):
            if one == connection:
                for number, at, direct in chat.events:
                    if not direct and max(since, sent.begin) < at <= min(until, sent.end):
                        yield at, name, number
