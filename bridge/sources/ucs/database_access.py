"""Access to one database of UCS, from the event loop: opens it, runs statements, paces what is tried after a failure.

A statement that takes longer than it may is interrupted and abandoned, together with its connection. A refused account
is tried at most 6 times an hour, so that it is not locked; other failures are tried again within a minute. It outlives
the feeders that use it one after the other: the pauses are those of the account, not of a feeder.
"""

from __future__ import annotations

import asyncio
import re
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bridge.driver_threads import in_thread
from bridge.errors import BridgeError, EnvironmentFault, Problem
from bridge.sources.ucs.feeder_codes import UCS_DENIED, UCS_UNREACHABLE
from bridge.sources.ucs.feeder_facts import UcsReadAgain, UcsReadFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.backoff import Backoff
    from bridge.capture.ports import Clock
    from bridge.sources.ucs.database import UcsDatabase
    from bridge.telemetry import Telemetry

DENIED_SECONDS: Final = 600.0
"""Pause after the database has refused the account, for each try that a connection is."""
_ONE_TRY: Final = re.compile(r"(?!postgresql)|.*[?&]sslmode=(disable|require|verify-ca|verify-full)(&|$)")
"""URLs with which a connection is one try: with another sslmode PostgreSQL's client tries with TLS and without it."""
_CLOSE_SECONDS: Final = 2.0

_Result = TypeVar("_Result")


def denied_seconds(url: str) -> float:
    """Return the pause after a refusal of the account in a URL, so that it is tried at most 6 times an hour."""
    return DENIED_SECONDS if _ONE_TRY.match(url) else 2 * DENIED_SECONDS


class _Connection:
    """A database that is open, or is being opened, under one URL. Used by one thread at a time."""

    def __init__(self, url: str, open_database: Callable[[str], UcsDatabase]) -> None:
        self.url = url
        self.statement: asyncio.Future[Any] | None = None
        self._open = open_database
        self._database: UcsDatabase | None = None
        self.abandoned = False

    def use(self, work: Callable[[UcsDatabase], _Result]) -> _Result:
        """Open the database if it is not yet, and call `work`. After an error, or if abandoned, it is closed."""
        if self._database is None:
            self._database = self._open(self.url)
        done = False
        try:
            if self.abandoned:
                raise EnvironmentFault("nobody waits for this any more")
            result = work(self._database)
            done = True
        finally:
            if self.abandoned or not done:
                self._database.close()
        return result

    def abandon(self) -> None:
        """Interrupt the statement in progress, after which it is closed; or close it at once. Does not wait."""
        if self.abandoned:
            return
        self.abandoned = True
        database = self._database
        if database is not None:
            busy = self.statement is not None and not self.statement.done()
            threading.Thread(target=database.interrupt if busy else database.close, name="ucs end", daemon=True).start()


class DatabaseAccess:
    """One database: the main one or the archive."""

    def __init__(  # noqa: PLR0913 - the collaborators, by name, built once in the composition root
        self,
        name: str,
        *,
        url: Callable[[], str],
        open_database: Callable[[str], UcsDatabase],
        statement_seconds: float,
        backoff: Backoff,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """`url` returns the URL as it is now. A call that takes longer than `statement_seconds` is abandoned."""
        self.problem: Problem | None = None
        self.last_read = 0.0
        """When it was read last, in seconds since 1970; 0 before that."""
        self._name = name
        self._url = url
        self._open_database = open_database
        self._statement_seconds = statement_seconds
        self._backoff = backoff
        self._clock = clock
        self._telemetry = telemetry
        self._connection: _Connection | None = None
        self._try_at = 0.0
        self._failing_since: float | None = None

    @property
    def name(self) -> str:
        """Return `main` or `archive`."""
        return self._name

    @property
    def failing_seconds(self) -> float:
        """For how long it could not be read; 0 when it can."""
        return 0.0 if self._failing_since is None else self._clock.monotonic() - self._failing_since

    def wait(self) -> float:
        """Return the seconds until it may be tried; 0 when it may be now."""
        return max(self._try_at - self._clock.monotonic(), 0.0)

    def retry(self) -> None:
        """Try again at once: the URL has changed."""
        self._try_at = 0.0
        self._backoff.reset()

    async def run(self, work: Callable[[UcsDatabase], _Result]) -> _Result:
        """Call `work` with the open database, in a thread. Raises EnvironmentFault, which is the `problem` then."""
        url = self._url()
        connection = self._connection
        if connection is None or connection.url != url or connection.abandoned:
            self._abandon()
            connection = self._connection = _Connection(url, self._open_database)
        statement = in_thread("ucs", lambda: connection.use(work))
        connection.statement = statement
        try:
            await asyncio.wait({statement}, timeout=self._statement_seconds)
        except asyncio.CancelledError:
            connection.abandon()
            raise
        if not statement.done():
            self._abandon()
            seconds = f"{self._statement_seconds:.0f} s"
            raise self._failed(EnvironmentFault(f"no answer within {seconds}", code=UCS_UNREACHABLE), url)
        error = statement.exception()
        if error is None:
            self._succeeded()
            return statement.result()
        self._connection = None  # what failed has closed it
        if isinstance(error, EnvironmentFault):
            raise self._failed(error, url)
        # Drivers raise what they like. The database is at fault as long as nothing else is known: live capture goes on.
        told = error.message if isinstance(error, BridgeError) else type(error).__name__
        raise self._failed(EnvironmentFault(told, code=UCS_UNREACHABLE), url)

    async def close(self) -> None:
        """End the statement in progress, and close the connection. A driver that hangs is left behind after 2 s."""
        connection = self._connection
        self._abandon()
        if connection is not None and connection.statement is not None:
            await asyncio.wait({connection.statement}, timeout=_CLOSE_SECONDS)

    def _abandon(self) -> None:
        if self._connection is not None:
            self._connection.abandon()
            self._connection = None

    def _succeeded(self) -> None:
        self._backoff.reset()
        self.last_read = self._clock.now_us() / 1e6
        if self._failing_since is not None:
            self._telemetry.emit(UcsReadAgain(database=self._name, seconds=round(self.failing_seconds, 3)))
        self.problem = self._failing_since = None

    def _failed(self, fault: EnvironmentFault, url: str) -> EnvironmentFault:
        code = fault.code if fault.code.startswith("UCS_") else UCS_UNREACHABLE
        problem = Problem(code, f"{self._name} database of UCS: {fault}")
        if self.problem is None or self.problem.code != code:
            self._telemetry.emit(UcsReadFailed(database=self._name, code=code, detail=problem.detail))
        self.problem = problem
        now = self._clock.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        self._try_at = now + (denied_seconds(url) if code == UCS_DENIED else self._backoff.next())
        return fault
