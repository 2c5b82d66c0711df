"""Plays chats against a server in the same process, at a pace that holds.

One heap of steps, one timer. Steps are due at absolute times, so a late turn of the loop is made up for and the rate
stays what was asked. With `events_per_second` the heap gives the order and the rate gives the time.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from bridge.simulator.model.effects import Closed, Said
from bridge.simulator.model.refusals import Refused
from bridge.simulator.traffic.actions import Action, Scenario, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.simulator.model.effects import Effect
    from bridge.simulator.protocol.server import ChatServer

_STEPS_PER_TURN: Final = 256  # then the loop may read and write
_SHORTEST_SLEEP: Final = 0.002  # a timer per step would cost more than the steps
_LONGEST_SLEEP: Final = 0.05  # how late a stop may be noticed
_DEFAULT_CHATS: Final = 10
_FILLED_PER_SECOND: Final = 200  # how fast `concurrent_chats` is reached


@dataclass(slots=True, frozen=True)
class Pace:
    """How much happens. None means no target.

    `chats_per_second` starts chats at that rate. `concurrent_chats` keeps so many open (with a rate: at most so many),
    reached at 200 starts a second.
    `events_per_second` makes steps at that rate whatever the scenarios' pauses are. `chats` and `duration_seconds` end
    the starting of chats; those that run are then played to their end, for at most `finish_seconds`.
    """

    chats_per_second: float | None = None
    concurrent_chats: int | None = None
    events_per_second: float | None = None
    duration_seconds: float | None = None
    chats: int | None = None
    finish_seconds: float = 30.0

    @property
    def most_open(self) -> int | None:
        """How many chats may be open at once; None for no bound."""
        if self.concurrent_chats is not None or self.chats_per_second is not None:
            return self.concurrent_chats
        return max(_DEFAULT_CHATS, int((self.events_per_second or 0) / 10))


class Traffic:
    """One run. `next_scenario` gives the next chat, or None when there is none left."""

    def __init__(self, server: ChatServer, pace: Pace, next_scenario: Callable[[], Scenario | None]) -> None:
        """Nothing happens before `run`."""
        self.started = 0
        self.finished = 0
        self.events = 0
        self.refused_steps = 0
        self._server = server
        self._pace = pace
        self._next_scenario = next_scenario
        self._heap: list[tuple[float, int, str, Iterator[tuple[float, Action]], Action]] = []
        self._playing: set[str] = set()
        self._order = 0
        self._begun = 0.0
        self._idled = 0.0
        self._exhausted = False
        self._played_until = 0.0  # the time of the scenarios, which only equals real time without events_per_second

    def see(self, effect: Effect, now: float) -> None:
        """Learn of chats that are over, whoever ended them."""
        del now
        if isinstance(effect, Closed) and effect.session_id in self._playing:
            self._playing.remove(effect.session_id)
            self.finished += 1

    def move_to(self, server: ChatServer) -> None:
        """Go on against another server, which has taken over the chats."""
        self._server.witnesses.remove(self)
        self._server = server
        server.witnesses.append(self)

    async def run(self, stop: asyncio.Event) -> None:
        """Play until the pace's end or `stop`, then let the chats that run come to their end."""
        clock = asyncio.get_running_loop().time
        self._server.witnesses.append(self)
        self._begun = self._played_until = clock()
        last: float | None = None
        try:
            while True:
                now = clock()
                if last is None and (stop.is_set() or self._has_enough(now)):
                    last = now
                if last is not None and (not self._playing or now > last + self._pace.finish_seconds):
                    break
                if last is None:
                    self._start_chats(now)
                behind = self._server.is_up and self._play(now)
                await asyncio.sleep(0 if behind else self._sleep(now))
                if not self._server.is_up:
                    self._idled += clock() - now  # what could not be said then is not said in one breath later
            self._end_the_rest()
        finally:
            self._server.witnesses.remove(self)

    # --- starting ----------------------------------------------------------------------------------------------------

    def _has_enough(self, now: float) -> bool:
        pace = self._pace
        return (
            self._exhausted
            or (pace.chats is not None and self.started >= pace.chats)
            or (pace.duration_seconds is not None and now - self._begun >= pace.duration_seconds)
        )

    def _start_chats(self, now: float) -> None:
        if not self._server.is_up:
            return
        elapsed = now - self._begun
        pace = self._pace
        rate = pace.chats_per_second or _FILLED_PER_SECOND
        allowed = math.floor(elapsed * rate) + 1 - self.started if pace.chats_per_second else math.inf
        if pace.most_open is not None:
            filled = pace.most_open if pace.chats_per_second else min(pace.most_open, 1 + int(elapsed * rate))
            allowed = min(allowed, filled - len(self._playing))
        if pace.chats is not None:
            allowed = min(allowed, pace.chats - self.started)
        while allowed > 0:
            scenario = self._next_scenario()
            if scenario is None:
                self._exhausted = True
                return
            if scenario.session_id not in self._server.sessions.by_id:
                self._playing.add(scenario.session_id)
                self._schedule(self._played_until, scenario.session_id, scenario.steps)
            self.started += 1
            allowed -= 1

    def _schedule(self, after: float, session_id: str, steps: Iterator[tuple[float, Action]]) -> bool:
        step = next(steps, None)
        if step is None:
            return False
        self._order += 1  # steps of one moment stay in their order
        heappush(self._heap, (after + step[0], self._order, session_id, steps, step[1]))
        return True

    # --- playing -----------------------------------------------------------------------------------------------------

    def _play(self, now: float) -> bool:
        """Do what is due; tell whether something due is left over for the next turn of the loop."""
        rate = self._pace.events_per_second
        wanted = math.inf if rate is None else (now - self._begun - self._idled) * rate
        steps = 0
        while self._heap and (self.events < wanted if rate else self._heap[0][0] <= now):
            if steps >= _STEPS_PER_TURN:
                return True
            due, _, session_id, scenario, action = heappop(self._heap)
            self._played_until = due
            steps += 1
            if session_id in self._playing:
                self._step(due, session_id, scenario, action)
        if rate is None:
            self._played_until = now
        return False

    def _step(self, due: float, session_id: str, steps: Iterator[tuple[float, Action]], action: Action) -> None:
        sessions = self._server.sessions
        try:
            effects = perform(action, sessions, session_id, self._server.clock())
        except Refused:
            self.refused_steps += 1
        else:
            self.events += sum(type(effect) is Said for effect in effects)
            self._server.act(effects)
        if session_id in self._playing and not self._schedule(due, session_id, steps):
            session = sessions.by_id.get(session_id)
            if session is None:  # it never began
                self._playing.discard(session_id)
            elif session.idle is None:
                self._server.act(sessions.stop(session_id, self._server.clock()))

    def _sleep(self, now: float) -> float:
        rate = self._pace.events_per_second
        due = self._heap[0][0] if self._heap else math.inf
        if rate:
            due = self._begun + self._idled + (self.events + 1) / rate
        return min(max(due - now, _SHORTEST_SLEEP), _LONGEST_SLEEP)

    def _end_the_rest(self) -> None:
        sessions = self._server.sessions
        for session_id in sorted(self._playing):
            if session_id in sessions.by_id:
                self._server.act(sessions.stop(session_id, self._server.clock()))
