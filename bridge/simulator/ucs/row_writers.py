"""Writers of the table: one that performs the steps of rows, and several that do so at the same time from a seed."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from bridge.simulator.ucs.row_treatment import RowStep
    from bridge.simulator.ucs.ucs_table import HeldRow, UcsTable

_OPEN_CHATS: Final = 8
"""Chats that one writer writes in turn."""
_MOST_STEPS_HELD: Final = 20


class RowStepWriter:
    """Performs steps, one after the other. One thread uses it."""

    def __init__(self, table: UcsTable, archive: UcsTable | None = None) -> None:
        """Without an archive no row moves. The tables must exist."""
        self._table = table
        self._archive = archive
        self._held: dict[str, HeldRow] = {}

    @property
    def held(self) -> tuple[str, ...]:
        """The chats whose transaction is held open, the oldest first."""
        return tuple(self._held)

    def perform(self, step: RowStep) -> None:
        """Write one step; a transaction that is held for its chat is committed before."""
        self.release(step.session_id)
        if step.kind == "archive":
            if self._archive is not None:
                self._table.move(step.session_id, self._archive)
        elif step.row is not None:
            if step.kind == "hold":
                self._held[step.session_id] = self._table.hold(step.row)
            else:
                self._table.save(step.row)

    def release(self, session_id: str) -> None:
        """Commit the transaction that is held for a chat, if there is one."""
        held = self._held.pop(session_id, None)
        if held is not None:
            held.commit()

    def release_all(self) -> None:
        """Commit every transaction that is held."""
        for session_id in self.held:
            self.release(session_id)

    def abandon(self) -> None:
        """Write no transaction that is held."""
        for held in self._held.values():
            held.abandon()
        self._held.clear()


class ConcurrentRowWriters:
    """Threads that write chats at the same time. Entering starts them; leaving waits until they are done.

    `chats` are the steps of each chat, in order. The seed decides which writer has which chat and the order in which
    each writer takes its steps; how the writers interleave is up to the machine. What is in the tables at the end does
    not depend on that. `pause` is the time between two steps of a writer, in seconds. `performed` counts the steps.
    """

    def __init__(  # noqa: PLR0913 - what is written, where, and how
        self,
        table: UcsTable,
        archive: UcsTable | None,
        chats: Sequence[Sequence[RowStep]],
        *,
        seed: int,
        writers: int = 4,
        pause: float = 0.0,
    ) -> None:
        """Nothing is written before it is entered."""
        self._pause = pause
        self._steps = sum(map(len, chats))
        self._allowed = self._steps
        self._moving = threading.Condition()
        self._stopped = False
        self._errors: list[BaseException] = []
        self.performed = 0
        shares: list[list[Sequence[RowStep]]] = [[] for _ in range(writers)]
        rng = random.Random(seed)  # noqa: S311 - not for security
        for chat in chats:
            rng.choice(shares).append(chat)
        rngs = [random.Random(f"{seed}:{at}") for at in range(writers)]  # noqa: S311 - not for security
        self._threads = [
            threading.Thread(target=self._run, args=(RowStepWriter(table, archive), share, own))
            for share, own in zip(shares, rngs, strict=True)
        ]

    def allow(self, share: float) -> None:
        """Let the writers go on until this share of all steps is performed, from 0 to 1; they wait then. Default: 1."""
        with self._moving:
            self._allowed = round(share * self._steps)
            self._moving.notify_all()

    def __enter__(self) -> Self:
        """Start the writers."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Wait for the writers; after an error of the caller they stop at once. Raises the first error of a writer."""
        with self._moving:
            self._stopped = kind is not None
            self._allowed = self._steps
            self._moving.notify_all()
        for thread in self._threads:
            thread.join()
        if kind is None and self._errors:
            raise self._errors[0]

    @property
    def is_writing(self) -> bool:
        """Whether a writer is not done yet."""
        return any(thread.is_alive() for thread in self._threads)

    def _run(self, writer: RowStepWriter, chats: list[Sequence[RowStep]], rng: random.Random) -> None:
        waiting = deque(deque(chat) for chat in chats)
        opened: list[deque[RowStep]] = []
        held_until: dict[str, int] = {}
        done = 0
        try:
            while (opened or waiting) and self._may_go_on():
                while waiting and len(opened) < _OPEN_CHATS:
                    opened.append(waiting.popleft())
                chat = rng.choice(opened)
                step = chat.popleft()
                writer.perform(step)
                done += 1
                if step.kind == "hold":
                    held_until[step.session_id] = done + rng.randint(1, _MOST_STEPS_HELD)
                for session_id in writer.held:
                    if held_until[session_id] <= done:
                        writer.release(session_id)
                if not chat:
                    opened.remove(chat)
                time.sleep(self._pause)
            writer.release_all()
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits for this one
            self._errors.append(error)
        finally:
            writer.abandon()

    def _may_go_on(self) -> bool:
        """Wait for a step that is allowed, and take it; False if there is to be none."""
        with self._moving:
            self._moving.wait_for(lambda: self._stopped or self.performed < self._allowed)
            self.performed += 1
            return not self._stopped
