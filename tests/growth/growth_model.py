"""A model of partitions that are raised while chats are captured: a chat stays on the partition that it had first.

Every reachable state of one chat within `GrowthBounds` is visited: the topics are raised, shards take steps, crash,
and are taken again by workers that may not have heard of it, and the chat is announced at any time, by whoever knows
whichever number of partitions. What is asked of every state: does the chat have one owner at most, and does a consumer
of one partition read each of its events once, in order? And of every last state: is the chat followed to its end?

What is modelled of Kafka: a transaction of a shard is on all of its partitions or on none, and the shards' writers are
fenced as they are today, so that each transaction of a shard goes on from all before it.

A chat that would move to its partition under the new number was modelled, too, and is not built (decisions 349, 363).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
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
    """A shard's checkpoints hold the number that it goes by, from the first transaction that follows from it."""
    ASK = auto()
    """A shard that does not know a chat opens it only when the chat's former partitions were asked, one by one."""


class ShardModel(NamedTuple):
    """What Kafka has of a shard, and its process. Numbers of partitions are told by their index.

    `delivered`: events of the chat that are committed, None: it is not known here. `told`: its partition of the
    announcements; each record says under which number it asks. `goes_by` None: nobody has the shard now.
    """

    adopted: int = 0
    delivered: int | None = None
    told: tuple[int, ...] = ()
    read: int = 0
    published: tuple[int, ...] = ()
    goes_by: int | None = None
    inbox: int = 0


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
    """How far states are followed. `homes`: the chat's partition under each number of them, one after the other."""

    homes: tuple[int, ...] = (0, 1)
    announcements: int = 2
    events: int = 1
    crashes: int = 1


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
        if sum(one.delivered is not None for one in state.shards) > 1:
            raise ForbiddenStateFound("the chat has two owners")
        if state.passed > _MOST_PASSED:
            raise ForbiddenStateFound("the chat is passed on again and again")
        stories = [one.published for one in state.shards if one.published]
        if len(stories) > 1:
            raise ForbiddenStateFound("the chat has records on two partitions")
        if stories and stories[0] != tuple(range(1, len(stories[0]) + 1)):
            raise ForbiddenStateFound(f"a consumer reads the events {stories[0]}")

    def _check_last(self, state: GrowthState) -> None:
        if state.announced and sum(len(one.published) for one in state.shards) < self._bounds.events:
            raise ForbiddenStateFound("nobody follows the chat")

    # --- steps ---------------------------------------------------------------------------------------------------

    def _steps(self, state: GrowthState) -> Iterator[tuple[str, GrowthState]]:
        yield from self._raise(state)
        if state.announced < self._bounds.announcements:
            for home in sorted(set(self._bounds.homes[: state.raised + 1])):
                announced = state._replace(announced=state.announced + 1)
                yield f"the chat is announced on {home}", _told(announced, home, 0)
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
            left = shard._replace(goes_by=None, inbox=0)
            yield f"{number} crashes", _with(state._replace(crashed=state.crashed + 1), number, left)
        if goes_by < state.raised:
            yield f"{number} looks", _with(state, number, shard._replace(goes_by=state.raised))
        if shard.read < len(shard.told):
            yield self._takes_up(state, number, shard, goes_by)
        if shard.delivered is not None and shard.delivered + shard.inbox < self._bounds.events:
            yield f"{number} reads an event", _with(state, number, shard._replace(inbox=shard.inbox + 1))
        if shard.inbox and shard.delivered is not None:
            delivered = shard.delivered + shard.inbox
            published = (*shard.published, *range(shard.delivered + 1, delivered + 1))
            done = shard._replace(delivered=delivered, inbox=0, published=published)
            yield f"{number} commits", self._transaction(state, number, done)

    def _takes_up(self, state: GrowthState, number: int, shard: ShardModel, goes_by: int) -> tuple[str, GrowthState]:
        """Take the announcement that was told next."""
        told = shard.told[shard.read]
        done = shard._replace(read=shard.read + 1)
        if shard.delivered is not None:
            return f"{number} knows the chat", self._transaction(state, number, done)
        asked = told if self._does(GrowthStep.ASK) else goes_by
        for one in range(asked, goes_by + 1):
            if (home := self._bounds.homes[one]) != number:
                passed = self._transaction(state._replace(passed=state.passed + 1), number, done)
                return f"{number} passes the announcement on to {home}", _told(passed, home, one)
        return f"{number} opens the chat", self._transaction(state, number, done._replace(delivered=0))

    def _transaction(self, state: GrowthState, number: int, shard: ShardModel) -> GrowthState:
        there = max(self._bounds.homes[: state.others + 1])
        if shard.published != state.shards[number].published and number > there:
            raise ForbiddenStateFound("a transaction needs a partition that is not there")
        if self._does(GrowthStep.ADOPT_DURABLY):
            shard = shard._replace(adopted=shard.goes_by or 0)
        return _with(state, number, shard)


def _with(state: GrowthState, number: int, shard: ShardModel) -> GrowthState:
    return state._replace(shards=put(state.shards, number, shard))


def _told(state: GrowthState, home: int, asked: int) -> GrowthState:
    shard = state.shards[home]
    return _with(state, home, shard._replace(told=(*shard.told, asked)))
