"""The Universal Contact Server beside a simulated Chat Server: it stores the chats, and answers for them over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from bridge.errors import EnvironmentFault, UsageError
from bridge.simulator.ucs.http_interfaces import UcsHttpInterfaces
from bridge.simulator.ucs.live_rows import LiveRows
from bridge.simulator.ucs.row_writers import RowStepWriter
from bridge.simulator.ucs.saved_chats import SavedChats
from bridge.simulator.ucs.ucs_table import UcsTable

if TYPE_CHECKING:
    from bridge.simulator.model.effects import Effect
    from bridge.simulator.ucs.stored_options import UcsOptions


class SimulatedUcs:
    """An effect observer, and an async context manager: entering opens the HTTP port, leaving writes what is due."""

    def __init__(self, options: UcsOptions, seed: int) -> None:
        """Connect, and make the tables unless they are there. Which chats are irregular depends on the seed.

        Raises UsageError for a URL that cannot be used, EnvironmentFault if a database cannot be written.
        """
        urls = [url for url in (options.url, options.archive_url) if url is not None]
        self._tables = [_opened(url) for url in urls]
        writer = RowStepWriter(self._tables[0], self._tables[1] if len(urls) > 1 else None)
        self._rows = LiveRows(SavedChats(options.form, options.auto_save), writer, options.irregularities, seed)
        self._port = options.http_port
        self.interfaces = UcsHttpInterfaces(
            self._tables,
            shape="object" if options.http_object else "array",
            user=options.http_user,
            password=options.http_password,
        )
        self.http_address: str | None = None
        """host:port of the HTTP interfaces, once they listen."""

    async def __aenter__(self) -> Self:
        """Listen, if a port is wanted. Raises OSError when it is in use."""
        if self._port is not None:
            self.http_address = f"127.0.0.1:{await self.interfaces.start(self._port)}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Write what is due, and close everything. Raises EnvironmentFault if a row could not be written."""
        self._rows.close()
        await self.interfaces.stop()
        for table in self._tables:
            table.close()
        if self._rows.failed is not None:
            raise EnvironmentFault(
                f"the table of interactions could not be written: {type(self._rows.failed).__name__}",
                next_step="check the rights of the account in --ucs-url",
            )

    def on_effect(self, effect: Effect, now: float) -> None:
        """Store what an effect changes; it never waits for the database."""
        self._rows.on_effect(effect, now)

    @property
    def written(self) -> int:
        """How many steps were written."""
        return self._rows.written


def _opened(url: str) -> UcsTable:
    try:
        table = UcsTable(url)
    except (ArgumentError, ImportError) as error:
        reason = "no database URL" if isinstance(error, ArgumentError) else f"{error.name} is not installed"
        raise UsageError(f"--ucs-url: {reason}", next_step="give it as SQLAlchemy does: sqlite:///ucs.db") from None
    try:
        table.create()
    except SQLAlchemyError as error:
        origin = getattr(error, "orig", None) or error
        table.close()
        raise EnvironmentFault(
            f"the table of interactions cannot be made: {type(origin).__name__}",
            next_step="check the address and the account in --ucs-url; the simulator makes the table",
        ) from None
    return table
