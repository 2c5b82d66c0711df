"""A model of partitions that are raised while chats are captured, and of a chat that moves to its new partition.

Every reachable state of one chat within `GrowthBounds` is visited: the topics are raised, shards take steps, crash,
and are taken again by workers that may not have heard of it, and the chat is announced at any time, by whoever knows
whichever number of partitions. What is asked of every state: does the chat have one owner at most? Does a consumer who
follows MOVED to CONTINUED read each event once, in order? And of every last state: is the chat followed to its end?

What is modelled of Kafka: a transaction of a shard is on all of its partitions or on none, and the shards' writers are
fenced as they are today, so that each transaction of a shard goes on from all before it.

In `bridge`, chats stay where they are (`GrowthBounds.moves` is False, docs/growing.md). Nothing moves yet.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from tests.support.reachable_states import ForbiddenStateFound, put, visit_all

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_PASSED = 12
"""How often what is about the chat is passed on at most: far more than happens where nothing goes round."""


class GrowthStep(StrEnum):
    """What has to be done; the model can leave out one of them."""

    ANNOUNCEMENTS_LAST = auto()
    """Raise the topics that are written to first, and the one that shards look at when all others are raised."""
    ADOPT_DURABLY = auto()
    """A shard's marker holds the number that it goes by, in the first transaction that follows from it."""
    ADOPT_GIVEN = auto()
    """Whoever is given a chat, or asked about one, goes by the giver's number from then on."""
    TELL_LAST = auto()
    """That number is the one that the giver goes by, not the one whose partition it asks: chats are given past that."""
    ASK = auto()
    """A shard that does not know a chat opens it only when the chat's former partitions were asked, one by one."""
    GIVE_AT_ONCE = auto()
    """MOVED, the deleted checkpoint and the state for the new partition are one transaction."""
    DELETE = auto()
    """The old partition's checkpoint is deleted."""
    GIVE_DELIVERED = auto()
    """The ids of the events that were delivered go with the chat."""
    DROP_REST = auto()
    """What was read of the chat and not committed before MOVED is dropped: the next owner reads it again."""
    TAKE_AT_ONCE = auto()
    """CONTINUED, the checkpoint and the position behind the state that was read are one transaction."""


class ToldOfChat(NamedTuple):
    """A record of a partition of the announcements: an announcement, or the `state` of a chat that is given.

    `asked`: partitions under numbers before this one do not know the chat. `goes_by`: whoever wrote this. `state`: how
    many events were delivered.
    """

    asked: int = 0
    goes_by: int = 0
    state: int | None = None
    given_by: int = 0


class PublishedOfChat(NamedTuple):
    """A record of the chat on the events topic: an event, or MOVED or CONTINUED with the other partition."""

    event: int = 0
    moved_to: int | None = None
    continued_from: int | None = None


class ShardModel(NamedTuple):
    """What Kafka has of a shard, and its process. Numbers of partitions are told by their index.

    `delivered`: events of the chat that are committed, None: it is not known here. `goes_by` None: nobody has the
    shard now. `giving`, `behind`: the second half of what should be one transaction.
    """

    adopted: int = 0
    delivered: int | None = None
    told: tuple[ToldOfChat, ...] = ()
    read: int = 0
    published: tuple[PublishedOfChat, ...] = ()
    goes_by: int | None = None
    inbox: int = 0
    giving: ToldOfChat | None = None
    behind: int = 0


class GrowthState(NamedTuple):
    """`raised`: of the announcements, `others`: of all other topics. The rest says what of the bounds is used up."""

    shards: tuple[ShardModel, ...]
    raised: int = 0
    others: int = 0
    announced: int = 0
    crashed: int = 0
    passed: int = 0


@dataclass(slots=True, frozen=True)
class GrowthBounds:
    """How far states are followed. `homes`: the chat's partition under each number of them, one after the other.

    Without `moves` a chat stays where it was announced first, and only chats that are new go by a new number.
    """

    homes: tuple[int, ...] = (0, 1)
    announcements: int = 2
    events: int = 2
    crashes: int = 1
    moves: bool = True


class PromiseBrokenError(AssertionError):
    """A state that must not be. Its message: the steps that led there, and what is wrong."""


class GrowthModel:
    """All shards do all steps but `without`."""

    def __init__(self, bounds: GrowthBounds, without: GrowthStep | None = None) -> None:
        """Nothing is visited yet."""
        self._bounds = bounds
        self._without = without

    def explore(self) -> int:
        """Visit all states and return their number. Raises PromiseBrokenError with a shortest way to one."""
        first = GrowthState(tuple(ShardModel() for _ in range(max(self._bounds.homes) + 1)))
        return visit_all(first, self._checked_steps, PromiseBrokenError)

    def _does(self, step: GrowthStep) -> bool:
        return step is not self._without

    def _checked_steps(self, state: GrowthState) -> list[tuple[str, GrowthState]]:
        self._check(state)
        steps = list(self._steps(state))
        if not steps:
            self._check_last(state)
        return steps

    # --- what is asked -------------------------------------------------------------------------------------------

    def _check(self, state: GrowthState) -> None:
        given = [told for one in state.shards for told in one.told[one.read :] if told.state is not None]
        if sum(one.delivered is not None for one in state.shards) + len(given) > 1:
            raise ForbiddenStateFound("the chat has two owners")
        if state.passed > _MOST_PASSED:
            raise ForbiddenStateFound("the chat is passed on again and again")
        events = _story(_published(state))
        if events != list(range(1, len(events) + 1)):
            raise ForbiddenStateFound(f"a consumer reads the events {events}")

    def _check_last(self, state: GrowthState) -> None:
        if state.announced and len(_story(_published(state))) < self._bounds.events:
            raise ForbiddenStateFound("nobody follows the chat")

    # --- steps ---------------------------------------------------------------------------------------------------

    def _steps(self, state: GrowthState) -> Iterator[tuple[str, GrowthState]]:
        yield from self._raise(state)
        if state.announced < self._bounds.announcements:
            for home in sorted(set(self._bounds.homes[: state.raised + 1])):
                announced = state._replace(announced=state.announced + 1)
                yield f"the chat is announced on {home}", _told(announced, home, ToldOfChat())
        for number, shard in enumerate(state.shards):
            if number not in self._bounds.homes[: state.raised + 1]:
                continue
            if shard.goes_by is None:
                yield from self._taken(state, number, shard)
            else:
                yield from self._of_shard(state, number, shard, shard.goes_by)

    def _raise(self, state: GrowthState) -> Iterator[tuple[str, GrowthState]]:
        last = len(self._bounds.homes) - 1
        one, other = state.others, state.raised
        if not self._does(GrowthStep.ANNOUNCEMENTS_LAST):
            one, other = other, one
        if one < last and one == other:
            one += 1
        elif other < one:
            other += 1
        else:
            return
        if not self._does(GrowthStep.ANNOUNCEMENTS_LAST):
            one, other = other, one
        yield "topics are raised", state._replace(others=one, raised=other)

    def _taken(self, state: GrowthState, number: int, shard: ShardModel) -> Iterator[tuple[str, GrowthState]]:
        for known in range(state.raised + 1):
            goes_by = max(known, shard.adopted)
            yield f"a worker takes {number}", _with(state, number, shard._replace(goes_by=goes_by))

    def _of_shard(
        self, state: GrowthState, number: int, shard: ShardModel, goes_by: int
    ) -> Iterator[tuple[str, GrowthState]]:
        if state.crashed < self._bounds.crashes:
            left = shard._replace(goes_by=None, inbox=0, giving=None, behind=0)
            yield f"{number} crashes", _with(state._replace(crashed=state.crashed + 1), number, left)
        if goes_by < state.raised:
            yield f"{number} looks", _with(state, number, shard._replace(goes_by=state.raised))
        if shard.giving is not None:
            given = _told(state, self._bounds.homes[goes_by], shard.giving)
            yield f"{number} gives what it has deleted", _with(given, number, shard._replace(giving=None))
            return
        if shard.behind:
            yield f"{number} commits a position", _with(state, number, shard._replace(read=shard.behind, behind=0))
            return
        if shard.read < len(shard.told):
            yield self._takes_up(state, number, shard, goes_by)
        if shard.delivered is not None and shard.delivered + shard.inbox < self._bounds.events:
            yield f"{number} reads an event", _with(state, number, shard._replace(inbox=shard.inbox + 1))
        if shard.inbox:
            yield f"{number} commits", self._committed(state, number, shard)
        if shard.delivered is not None and self._bounds.moves and self._bounds.homes[goes_by] != number:
            yield f"{number} moves the chat", self._moved(state, number, shard, goes_by)

    def _committed(self, state: GrowthState, number: int, shard: ShardModel) -> GrowthState:
        """Commit what was read; of a chat that is not known here any more, only where nothing was dropped."""
        before = shard.delivered
        if before is None:
            before = max((one.event for one in shard.published), default=0)
        events = tuple(PublishedOfChat(before + 1 + one) for one in range(shard.inbox))
        known = None if shard.delivered is None else before + shard.inbox
        done = shard._replace(delivered=known, inbox=0, published=shard.published + events)
        return self._transaction(state, number, done)

    def _moved(self, state: GrowthState, number: int, shard: ShardModel, goes_by: int) -> GrowthState:
        home = self._bounds.homes[goes_by]
        delivered = (shard.delivered or 0) if self._does(GrowthStep.GIVE_DELIVERED) else 0
        given = ToldOfChat(goes_by, goes_by, delivered, number)
        moved = shard._replace(published=(*shard.published, PublishedOfChat(moved_to=home)))
        if self._does(GrowthStep.DELETE):
            moved = moved._replace(delivered=None)
        if self._does(GrowthStep.DROP_REST):
            moved = moved._replace(inbox=0)
        state = state._replace(passed=state.passed + 1)
        if not self._does(GrowthStep.GIVE_AT_ONCE):
            return self._transaction(state, number, moved._replace(giving=given))
        return _told(self._transaction(state, number, moved), home, given)

    def _takes_up(self, state: GrowthState, number: int, shard: ShardModel, goes_by: int) -> tuple[str, GrowthState]:
        """Take what was told next: a chat that is given, or an announcement."""
        told = shard.told[shard.read]
        if self._does(GrowthStep.ADOPT_GIVEN):
            goes_by = max(goes_by, told.goes_by)
        done = shard._replace(read=shard.read + 1, goes_by=goes_by)
        if told.state is not None:
            if not self._does(GrowthStep.TAKE_AT_ONCE):
                done = done._replace(read=shard.read, behind=shard.read + 1)
            came = (*shard.published, PublishedOfChat(continued_from=told.given_by))
            done = done._replace(delivered=told.state, published=came)
            return f"{number} takes the chat over", self._transaction(state, number, done)
        if shard.delivered is not None:
            return f"{number} knows the chat", self._transaction(state, number, done)
        asked = told.asked if self._does(GrowthStep.ASK) else goes_by
        for one in sorted({*range(goes_by + 1), told.asked}):
            if one >= asked and (home := self._bounds.homes[one]) != number:
                passed = self._transaction(state._replace(passed=state.passed + 1), number, done)
                says = ToldOfChat(one, goes_by if self._does(GrowthStep.TELL_LAST) else one)
                return f"{number} passes the announcement on to {home}", _told(passed, home, says)
        return f"{number} opens the chat", self._transaction(state, number, done._replace(delivered=0))

    def _transaction(self, state: GrowthState, number: int, shard: ShardModel) -> GrowthState:
        there = max(self._bounds.homes[: state.others + 1])
        if shard.published != state.shards[number].published and number > there:
            raise ForbiddenStateFound("a transaction needs a partition that is not there")
        if self._does(GrowthStep.ADOPT_DURABLY):
            shard = shard._replace(adopted=shard.goes_by or 0)
        return _with(state, number, shard)


def _published(state: GrowthState) -> tuple[tuple[PublishedOfChat, ...], ...]:
    return tuple(one.published for one in state.shards)


@lru_cache(maxsize=4096)  # few stories, many states
def _story(partitions: tuple[tuple[PublishedOfChat, ...], ...]) -> list[int]:
    """Return the events as a consumer reads them who begins at the first partition and follows MOVED to CONTINUED.

    Raises ForbiddenStateFound when the records do not lead there, or when there is one to which none leads.
    """
    left = [deque(one) for one in partitions]
    place = next((n for n, one in enumerate(left) if one and one[0].continued_from is None), None)
    events: list[int] = []
    while place is not None and left[place]:
        record = left[place].popleft()
        if record.continued_from is not None:
            raise ForbiddenStateFound("CONTINUED without MOVED")
        if record.moved_to is None:
            events.append(record.event)
            continue
        before, place = place, record.moved_to
        if left[place] and left[place].popleft().continued_from != before:
            raise ForbiddenStateFound("after MOVED comes something else than CONTINUED")
    if any(left):
        raise ForbiddenStateFound("there are records of the chat to which no MOVED leads")
    return events


def _with(state: GrowthState, number: int, shard: ShardModel) -> GrowthState:
    return state._replace(shards=put(state.shards, number, shard))


def _told(state: GrowthState, home: int, told: ToldOfChat) -> GrowthState:
    shard = state.shards[home]
    return _with(state, home, shard._replace(told=(*shard.told, told)))
