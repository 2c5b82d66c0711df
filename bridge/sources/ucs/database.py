"""Reads rows of a UCS database: read-only, in small pages, with a time limit for each statement.

The texts of a page are fetched together. If that fails they are fetched one by one, so that a row that cannot be read
costs itself only. Errors of the database never quote a text (P5): they are told by the class of the driver's error.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event, inspect
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from bridge.errors import EnvironmentFault, UsageError
from bridge.sources.ucs.interaction_rows import InteractionRow
from bridge.sources.ucs.interactions import PagePlace, Statements

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Engine, Select

    from bridge.sources.ucs.interactions import InteractionNames

MEDIA_TYPES: Final = ("chat",)
PAGE_ROWS: Final = 100
MOST_CHARACTERS: Final = 16 * 1024 * 1024
_SESSION: Final = {
    "postgresql": ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET statement_timeout = {ms}"),
    "sqlite": ("PRAGMA query_only = ON",),
}
"""What makes a session read-only, and limits its statements, by product. Others rely on the account's rights."""


class UcsDatabase:
    """One database with interactions: the main one or the archive."""

    def __init__(self, url: str, names: InteractionNames, *, statement_timeout: float = 30.0) -> None:
        """Connect, and find the table. `url` as SQLAlchemy's; `statement_timeout` in seconds.

        Raises UsageError for a URL that cannot be used, EnvironmentFault if the database or its table cannot be read.
        """
        try:
            self._engine = create_engine(url, pool_size=1, max_overflow=0)
        except (ArgumentError, ImportError) as error:
            reason = "no database URL" if isinstance(error, ArgumentError) else f"{error.name} is not installed"
            raise UsageError(f"--ucs-url: {reason}", next_step="pip install 'chatbridge[ucs]'") from None
        _limit_sessions(self._engine, statement_timeout)
        self.place = self._engine.url.render_as_string(hide_password=True)
        try:
            found = self._found(names)
        except SQLAlchemyError as error:
            self.close()
            raise self._fault(error) from None
        except LookupError as error:
            self.close()
            raise EnvironmentFault(
                f"{self.place}: there is no {error.args[0]}", next_step="name the table and its columns as they are"
            ) from None
        self._statements = Statements(found, self._engine.dialect.name, MEDIA_TYPES, MOST_CHARACTERS)

    def _found(self, names: InteractionNames) -> InteractionNames:
        known = inspect(self._engine)
        tables = [*known.get_table_names(names.schema), *known.get_view_names(names.schema)]
        return names.as_found(tables, lambda name: [one["name"] for one in known.get_columns(name, names.schema)])

    def _fault(self, error: SQLAlchemyError) -> EnvironmentFault:
        return EnvironmentFault(
            f"{self.place}: {_reason(error)}", next_step="check the address, the account and its rights"
        )

    def pages(self, since: datetime, rows: int = PAGE_ROWS) -> Iterator[list[InteractionRow]]:
        """Yield the chats that started at `since` (UTC, without a zone) or later, in pages by (STARTDATE, ID).

        Raises EnvironmentFault if the database does not answer.
        """
        place = PagePlace(since)
        while page := self._rows(self._statements.page(place, rows)):
            last = PagePlace(page[-1].start_date, page[-1].id)
            if last == place:
                return  # a product that rounds times may give the last row again
            yield page
            place = last

    def rows(self, ids: Sequence[str]) -> list[InteractionRow]:
        """Return the chats with these ids that are stored here."""
        return self._rows(self._statements.with_ids(ids))

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    def _rows(self, statement: Select[Any]) -> list[InteractionRow]:
        try:
            with self._engine.connect() as connection:
                found = connection.execute(statement).all()
                connection.rollback()
                wanted = [row.id for row in found if row.length is not None and row.length <= MOST_CHARACTERS]
                texts = _texts(connection, self._statements, wanted) if wanted else {}
        except SQLAlchemyError as error:
            raise self._fault(error) from None
        rows: list[InteractionRow] = []
        for row in found:
            text, reason = texts.get(row.id, (None, None))
            if row.length is not None and row.length > MOST_CHARACTERS:
                reason = f"{row.length} characters; at most {MOST_CHARACTERS} are read"
            rows.append(InteractionRow(row.id, int(row.status), _in_utc(row.start_date), text, reason))
        return rows


def _in_utc(at: datetime) -> datetime:
    """Return a time in UTC without a zone, which is what the column holds unless it has a zone."""
    return at if at.tzinfo is None else at.astimezone(UTC).replace(tzinfo=None)


def _limit_sessions(engine: Engine, timeout: float) -> None:
    @event.listens_for(engine, "connect")
    def limit(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for statement in _SESSION.get(engine.dialect.name, ()):
            cursor.execute(statement.format(ms=int(timeout * 1000)))
        cursor.close()
        connection.commit()


def _texts(
    connection: Connection, statements: Statements, ids: Sequence[str]
) -> dict[str, tuple[str | bytes | None, str | None]]:
    """Return (text, why it cannot be read) by id."""
    try:
        found = connection.execute(statements.texts(ids)).all()
        connection.rollback()
    except DBAPIError as error:
        connection.rollback()
        if error.connection_invalidated:
            raise
        if len(ids) == 1:
            return {ids[0]: (None, _reason(error))}
        return {row_id: value for one in ids for row_id, value in _texts(connection, statements, [one]).items()}
    return {row.id: (row.text, None) for row in found}


def _reason(error: SQLAlchemyError) -> str:
    """Return the class of the error and, of PostgreSQL, its code."""
    origin = getattr(error, "orig", None) or error
    code = getattr(origin, "sqlstate", None)
    return f"{type(origin).__name__}{f' {code}' if code else ''}"
