"""Writes the chats of a running simulator into the table: in a thread of its own, each step when it is due."""

from __future__ import annotations

import heapq
import itertools
import queue
import threading
import time
from typing import TYPE_CHECKING

from bridge.simulator.ucs.row_treatment import HOLD_SECONDS, steps_of

if TYPE_CHECKING:
    from bridge.simulator.model.effects import Effect
    from bridge.simulator.ucs.row_treatment import Irregularities, RowStep
    from bridge.simulator.ucs.row_writers import RowStepWriter
    from bridge.simulator.ucs.saved_chats import SavedChats


class LiveRows:
    """An effect observer. `close` writes what is still due, without its delays, and ends the thread."""

    def __init__(self, saved: SavedChats, writer: RowStepWriter, irregularities: Irregularities, seed: int) -> None:
        """The thread starts at once."""
        self._saved = saved
        self._writer = writer
        self._irregularities = irregularities
        self._seed = seed
        self._steps: queue.SimpleQueue[RowStep | None] = queue.SimpleQueue()
        self.written = 0
        self.failed: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="ucs-rows")
        self._thread.start()

    def on_effect(self, effect: Effect, now: float) -> None:
        """Hand over what is written because of an effect; it never waits for the database."""
        if self.failed is not None:
            return
        for row in self._saved.rows(effect, now):
            for step in steps_of(row, self._irregularities.chosen(self._seed, row.session_id)):
                self._steps.put(step)

    def close(self) -> None:
        """Wait until everything is written."""
        self._steps.put(None)
        self._thread.join()

    def _run(self) -> None:
        due: list[tuple[float, int, RowStep]] = []
        order = itertools.count()
        held: dict[str, float] = {}
        closing = False
        try:
            while not closing or due:
                now = time.monotonic()
                for session_id in [each for each, until in held.items() if until <= now]:
                    del held[session_id]
                    self._writer.release(session_id)
                while due and (closing or due[0][0] <= now):
                    _, _, step = heapq.heappop(due)
                    self._writer.perform(step)
                    self.written += 1
                    held.pop(step.session_id, None)
                    if step.kind == "hold":
                        held[step.session_id] = now + HOLD_SECONDS
                if closing:
                    continue
                wakes = [due[0][0]] if due else []
                arrived = self._next(min([*wakes, *held.values()], default=None))
                closing = arrived is not None and arrived[0] is None
                if arrived is not None and arrived[0] is not None:
                    heapq.heappush(due, (time.monotonic() + arrived[0].after, next(order), arrived[0]))
            self._writer.release_all()
        except Exception as error:  # noqa: BLE001 - told by the simulation, which goes on without the table
            self.failed = error
            self._writer.abandon()

    def _next(self, at: float | None) -> tuple[RowStep | None] | None:
        """Wait for the next step until `at` on the monotonic clock; None when it came first."""
        try:
            return (self._steps.get(timeout=None if at is None else max(0.0, at - time.monotonic())),)
        except queue.Empty:
            return None
