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
        there = {name: chat for name, chat in views.items() if chat.server == sent.server and _moments(chat, sent)}
        if sent.text == HALF_A_LINE:
            _half_a_line(there, published, times, sent, damage)
        elif sent.text not in HARMLESS_GARBAGE:
            for name, chat in there.items():
                damage.add(name, sure=_taken(chat, published.get(name, ()), times, _moments(chat, sent)[0]))
    return damage


def _moments(chat: LedgerChatView, sent: SentGarbage) -> list[tuple[float, float]]:
    """Return from when to when the line may have been sent to each monitor that was, or may have been, there then.

    The journal tells it; without one, it was sent within a while after it was asked for.
    """
    if not chat.raw:
        asked = sent.begin, sent.begin + _SLACK
        return [asked for since, until in chat.watched() if since - _SLACK < sent.end and sent.begin < until + _SLACK]
    return [
        (at, at)
        for connection, (since, until) in zip(chat.connections, chat.watched(), strict=False)
        for at in chat.raw.get(connection, ())
        if since < at < until and sent.begin - _SLACK < at < sent.begin + _SLACK
    ]


def _taken(
    chat: LedgerChatView, events: Sequence[PublishedEvent], times: FaultTimes, moment: tuple[float, float]
) -> bool:
    """Tell whether what was sent then surely came to the only monitor, and was committed."""
    begin, end = moment
    if chat.captures(begin, end, times):
        return True
    alone = [span for span in chat.watched() if span[0] < end and begin < span[1]]
    if len(alone) != 1 or not alone[0][0] < begin <= end < alone[0][1]:
        return False
    lasted = math.inf if alone[0][1] == chat.closed else alone[0][1]  # the push of the end comes after it
    until = min([lasted, *(joined for joined, _ in chat.monitors.values() if joined > begin)])
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
        lost = [(at, name) for at, name, number in pushes if at <= first_later and (name, number) not in pushed]
        for at, name in lost[:1]:
            # A worker that is being replaced may not have read it: then the history of the next one has the event.
            damage.add(name, sure=_taken(there[name], published.get(name, ()), times, (at, at)))
        if not lost:  # it ended before another line came, or nothing of it was committed
            for name, chat in joined.items():
                ended = sent.end, sent.end + _SLACK
                damage.add(name, sure=not pushes and _taken(chat, published.get(name, ()), times, ended))


def _joined_over(chat: LedgerChatView, connection: int, sent: SentGarbage) -> bool:
    return any(
        one == connection and since - _SLACK < sent.end and sent.begin < until + _SLACK
        for one, (since, until) in zip(chat.connections, chat.watched(), strict=False)
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
