"""Runs scenarios against a server in the same process at a given rate.

One heap of steps, one timer. Steps are due at absolute times, so that a late iteration of the event loop does not lower
the rate. With `events_per_second` the heap determines the order of steps and the rate determines their time.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from bridge.simulator.model.effects import EventAdded, SessionClosed
from bridge.simulator.model.refusals import RequestRefused
from bridge.simulator.traffic.actions import Action, Scenario, perform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bridge.simulator.model.effects import Effect
    from bridge.simulator.protocol.server import ChatServer

_STEPS_PER_ITERATION: Final = 256  # then the event loop may read and write
_SHORTEST_SLEEP: Final = 0.002  # a timer per step would cost more than the steps
_LONGEST_SLEEP: Final = 0.05  # upper bound for the delay of a stop
_DEFAULT_CHATS: Final = 10
_RAMP_UP_PER_SECOND: Final = 200  # rate at which chats are opened until `concurrent_chats` is reached


@dataclass(slots=True, frozen=True)
class LoadProfile:
    """Target rates and end of the traffic. None means no target.

    `chats_per_second` starts chats at that rate. `concurrent_chats` keeps that many open (with `chats_per_second`: at
    most that many), opening 200 a second at first. `events_per_second` runs steps at that rate and ignores the
    scenarios' pauses. After `chats` chats or `duration_seconds` no more are started; open ones are then played to
    their end, for at most `finish_seconds`.
    """

    chats_per_second: float | None = None
    concurrent_chats: int | None = None
    events_per_second: float | None = None
    duration_seconds: float | None = None
    chats: int | None = None
    finish_seconds: float = 30.0

    @property
    def max_open(self) -> int | None:
        """The highest number of open chats; None for no bound."""
        if self.concurrent_chats is not None or self.chats_per_second is not None:
            return self.concurrent_chats
        return max(_DEFAULT_CHATS, int((self.events_per_second or 0) / 10))


class TrafficGenerator:
    """An effect observer that opens and drives chats. `run` once."""

    def __init__(self, server: ChatServer, profile: LoadProfile, next_scenario: Callable[[], Scenario | None]) -> None:
        """`next_scenario` returns the next chat, or None when there are no more."""
        self.started = 0
        self.finished = 0
        self.events = 0
        self.refused_steps = 0
        self._server = server
        self._profile = profile
        self._next_scenario = next_scenario
        self._heap: list[tuple[float, int, str, Iterator[tuple[float, Action]], Action]] = []
        self._open: set[str] = set()
        self._order = 0
        self._started_at = 0.0
        self._downtime = 0.0
        self._exhausted = False
        self._scenario_time = 0.0  # differs from real time with events_per_second

    def on_effect(self, effect: Effect, now: float) -> None:
        """Note chats that were closed, by this generator or by a client."""
        del now
        if isinstance(effect, SessionClosed) and effect.session_id in self._open:
            self._open.remove(effect.session_id)
            self.finished += 1

    def move_to(self, server: ChatServer) -> None:
        """Continue against another server, on which the chats were restored."""
        self._server.observers.remove(self)
        self._server = server
        server.observers.append(self)

    async def run(self, stop: asyncio.Event) -> None:
        """Generate traffic until the load profile's end or `stop`, then play the open chats to their end."""
        clock = asyncio.get_running_loop().time
        self._server.observers.append(self)
        self._started_at = self._scenario_time = clock()
        last: float | None = None
        try:
            while True:
                now = clock()
                if last is None and (stop.is_set() or self._is_complete(now)):
                    if self._profile.chats_per_second and not stop.is_set():
                        self._start_chats(now)  # those that were due before the end, of a late event loop
                    last = now
                if last is not None and (not self._open or now > last + self._profile.finish_seconds):
                    break
                if last is None:
                    self._start_chats(now)
                overdue = self._server.is_up and self._run_due_steps(now)
                await asyncio.sleep(0 if overdue else self._sleep(now))
                if not self._server.is_up:
                    self._downtime += clock() - now  # steps missed while down are not run later
            self._stop_open_chats()
        finally:
            self._server.observers.remove(self)

    # --- starting ---------------------------------------------------------------------------------------------------

    def _is_complete(self, now: float) -> bool:
        profile = self._profile
        return (
            self._exhausted
            or (profile.chats is not None and self.started >= profile.chats)
            or (profile.duration_seconds is not None and now - self._started_at >= profile.duration_seconds)
        )

    def _start_chats(self, now: float) -> None:
        if not self._server.is_up:
            return
        profile = self._profile
        elapsed = min(now - self._started_at, profile.duration_seconds or math.inf)
        rate = profile.chats_per_second or _RAMP_UP_PER_SECOND
        allowed = math.floor(elapsed * rate) + 1 - self.started if profile.chats_per_second else math.inf
        if profile.max_open is not None:
            target = profile.max_open if profile.chats_per_second else min(profile.max_open, 1 + int(elapsed * rate))
            allowed = min(allowed, target - len(self._open))
        if profile.chats is not None:
            allowed = min(allowed, profile.chats - self.started)
        while allowed > 0:
            scenario = self._next_scenario()
            if scenario is None:
                self._exhausted = True
                return
            if scenario.session_id not in self._server.sessions.by_id:
                self._open.add(scenario.session_id)
                self._schedule(self._scenario_time, scenario.session_id, scenario.steps)
            self.started += 1
            allowed -= 1

    def _schedule(self, after: float, session_id: str, steps: Iterator[tuple[float, Action]]) -> bool:
        step = next(steps, None)
        if step is None:
            return False
        self._order += 1  # keeps the order of steps that are due at the same time
        heappush(self._heap, (after + step[0], self._order, session_id, steps, step[1]))
        return True

    # --- running steps ----------------------------------------------------------------------------------------------

    def _run_due_steps(self, now: float) -> bool:
        """Run the steps that are due; return whether some are left for the next iteration of the event loop."""
        rate = self._profile.events_per_second
        wanted = math.inf if rate is None else (now - self._started_at - self._downtime) * rate
        steps = 0
        while self._heap and (self.events < wanted if rate else self._heap[0][0] <= now):
            if steps >= _STEPS_PER_ITERATION:
                return True
            due, _, session_id, scenario, action = heappop(self._heap)
            self._scenario_time = due
            steps += 1
            if session_id in self._open:
                self._run_step(due, session_id, scenario, action)
        if rate is None:
            self._scenario_time = now
        return False

    def _run_step(self, due: float, session_id: str, steps: Iterator[tuple[float, Action]], action: Action) -> None:
        sessions = self._server.sessions
        try:
            effects = perform(action, sessions, session_id, self._server.clock())
        except RequestRefused:
            self.refused_steps += 1
        else:
            self.events += sum(type(effect) is EventAdded for effect in effects)
            self._server.apply(effects)
        if session_id in self._open and not self._schedule(due, session_id, steps):
            session = sessions.by_id.get(session_id)
            if session is None:  # its first step was refused
                self._open.discard(session_id)
            elif session.idle is None:
                self._server.apply(sessions.stop(session_id, self._server.clock()))

    def _sleep(self, now: float) -> float:
        rate = self._profile.events_per_second
        due = self._heap[0][0] if self._heap else math.inf
        if rate:
            due = self._started_at + self._downtime + (self.events + 1) / rate
        return min(max(due - now, _SHORTEST_SLEEP), _LONGEST_SLEEP)

    def _stop_open_chats(self) -> None:
        sessions = self._server.sessions
        for session_id in sorted(self._open):
            if session_id in sessions.by_id:
                self._server.apply(sessions.stop(session_id, self._server.clock()))
