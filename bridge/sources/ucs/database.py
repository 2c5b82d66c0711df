"""Reads rows of a UCS database: read-only, in small pages, with a time limit for each statement.

The rows of a page are read together, and so are their texts. If that fails they are read one by one, so that a row that
cannot be read costs itself only. Errors of the database never quote a text (P5): they are told by the class of the
driver's error. Everything blocks, and is called by one thread at a time; `interrupt` by any.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Select, create_engine, event, inspect
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from bridge.errors import EnvironmentFault, UsageError
from bridge.sources.ucs.feeder_codes import UCS_DENIED, UCS_TABLE_UNKNOWN, UCS_TIMEOUT, failure_code
from bridge.sources.ucs.interaction_rows import InteractionRow, PagePlace, ReadText, RowHead, place_after
from bridge.sources.ucs.interactions import Statements
from bridge.sources.ucs.row_values import ROW_ERRORS, head_of, text_of, unreadable_head

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy import URL, Connection, Engine, Row

    from bridge.sources.ucs.interactions import InteractionNames

PAGE_ROWS: Final = 100
MOST_CHARACTERS: Final = 16 * 1024 * 1024
CONNECT_SECONDS: Final = 10
_SESSION: Final = {
    "postgresql": ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "SET statement_timeout = {ms}"),
    "sqlite": ("PRAGMA query_only = ON",),
}
"""What makes a session read-only, and limits its statements, by product. Others rely on the account's rights."""
_CONNECTION: Final = {
    "psycopg": {"connect_timeout": CONNECT_SECONDS, "application_name": "chatbridge"},
}
"""What a driver gets beside the URL: a peer that is silent does not keep a thread for ever."""
_NEXT_STEP: Final = {
    UCS_DENIED: "check the account and its rights: it needs SELECT on the table",
    UCS_TABLE_UNKNOWN: "name the table and its columns as they are",
    UCS_TIMEOUT: "read a replica, or smaller pages",
}


@dataclass(slots=True, frozen=True)
class ReadingLimits:
    """Limits of what is read at a time. `statement_timeout` in seconds, `most_characters` of one text."""

    statement_timeout: float = 30.0
    most_characters: int = MOST_CHARACTERS
    media_types: tuple[str, ...] = ("chat",)


class UcsDatabase:
    """One database with interactions: the main one or the archive."""

    def __init__(self, url: str, names: InteractionNames, limits: ReadingLimits | None = None) -> None:
        """Connect, and find the table. `url` as SQLAlchemy's.

        Raises UsageError for a URL that cannot be used, EnvironmentFault if the database or its table cannot be read.
        """
        limits = limits or ReadingLimits()
        try:
            self._engine = create_engine(url, pool_size=1, max_overflow=0)
        except (ArgumentError, ImportError) as error:
            reason = "no database URL" if isinstance(error, ArgumentError) else f"{error.name} is not installed"
            raise UsageError(f"the URL of the database: {reason}", next_step="pip install 'chatbridge[ucs]'") from None
        self._connection: Any = None
        self._interrupted = False
        self._prepare_sessions(limits.statement_timeout)
        self.place = self._engine.url.set(query={}).render_as_string(hide_password=True)
        self.label = _label(self._engine.url)
        self._most = limits.most_characters
        try:
            found = self._found(names)
        except SQLAlchemyError as error:
            self.close()
            raise self._fault(error) from None
        except LookupError as error:
            self.close()
            raise EnvironmentFault(
                f"{self.place}: there is no {error.args[0]}",
                next_step=_NEXT_STEP[UCS_TABLE_UNKNOWN],
                code=UCS_TABLE_UNKNOWN,
            ) from None
        self._statements = Statements(found, self._engine.dialect.name, limits.media_types, self._most)

    def _found(self, names: InteractionNames) -> InteractionNames:
        known = inspect(self._engine)
        tables = [*known.get_table_names(names.schema), *known.get_view_names(names.schema)]
        return names.as_found(tables, lambda name: [one["name"] for one in known.get_columns(name, names.schema)])

    def _fault(self, error: SQLAlchemyError) -> EnvironmentFault:
        origin = getattr(error, "orig", None)
        used = getattr(getattr(origin, "pgconn", None), "used_password", False)
        code = failure_code(getattr(origin, "sqlstate", None), str(origin or ""), password_used=bool(used))
        step = _NEXT_STEP.get(code, "check the address, the account and its rights")
        return EnvironmentFault(f"{self.place}: {_reason(error)}", next_step=step, code=code)

    def pages(self, since: datetime, rows: int = PAGE_ROWS) -> Iterator[list[InteractionRow]]:
        """Yield the chats that started at `since` (UTC, without a zone) or later, in pages by (STARTDATE, ID).

        Raises EnvironmentFault if the database does not answer.
        """
        place = PagePlace(since)
        while page := self.heads(place, rows):
            yield self._with_texts(page)
            if (next_place := place_after(page, place)) == place:
                return  # a product that rounds times may give the last row again
            place = next_place

    def rows(self, ids: Sequence[str]) -> list[InteractionRow]:
        """Return the chats with these ids that are stored here. Raises EnvironmentFault."""
        return self._with_texts(self.heads_of(ids))

    def heads(self, after: PagePlace, rows: int) -> list[RowHead]:
        """Return the next rows after a place, without their texts. Raises EnvironmentFault."""
        return self._heads(self._statements.page(after, rows), self._statements.page_ids(after, rows))

    def heads_of(self, ids: Sequence[str]) -> list[RowHead]:
        """Return the rows with these ids, without their texts. Raises EnvironmentFault."""
        return self._heads(self._statements.with_ids(ids), ids)

    def texts(self, heads: Sequence[RowHead]) -> dict[str, ReadText]:
        """Return the texts of rows by id; of one that is too long, that it is. Raises EnvironmentFault."""
        wanted = [head.id for head in heads if head.length is not None and head.length <= self._most]
        try:
            with self._engine.connect() as connection:
                found = self._texts(connection, wanted) if wanted else {}
        except SQLAlchemyError as error:
            raise self._fault(error) from None
        for head in heads:
            if head.length is not None and head.length > self._most:
                found[head.id] = ReadText(unreadable=f"{head.length} characters; at most {self._most} are read")
        return found

    def interrupt(self) -> None:
        """End the statement in progress, if there is one and the driver can do that. It may take a second.

        The database is not to be used after that, but for `close`.
        """
        self._interrupted = True
        connection = self._connection
        end = getattr(connection, "interrupt", None) or getattr(connection, "cancel", None)
        if end is not None:
            with contextlib.suppress(Exception):  # of whatever driver; nobody waits for the statement
                end()

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    def _heads(self, statement: Select[Any], ids: Sequence[str] | Select[Any]) -> list[RowHead]:
        """Return rows: one by one, if they cannot be read together. `ids` are theirs, or how they are asked for."""
        try:
            return [head_of(row) for row in self._executed(statement)]
        except ROW_ERRORS:
            if self._interrupted:
                raise
            return self._one_by_one(ids)
        except SQLAlchemyError as error:
            raise self._fault(error) from None

    def _one_by_one(self, ids: Sequence[str] | Select[Any]) -> list[RowHead]:
        try:
            named = [row.id for row in self._executed(ids)] if isinstance(ids, Select) else ids
            return [head for one in named for head in self._single(one)]
        except SQLAlchemyError as fault:
            raise self._fault(fault) from None

    def _single(self, row_id: str) -> list[RowHead]:
        try:
            return [head_of(row) for row in self._executed(self._statements.with_ids([row_id]))]
        except ROW_ERRORS as error:
            return [unreadable_head(str(row_id), _reason(error))]

    def _executed(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        with self._engine.connect() as connection:
            found = connection.execute(statement).all()
            connection.rollback()
        return found

    def _with_texts(self, heads: Sequence[RowHead]) -> list[InteractionRow]:
        texts, none = self.texts([head for head in heads if head.length is not None]), ReadText()
        return [
            InteractionRow(head.id, head.status, head.start_date, read.text, head.unreadable or read.unreadable)
            for head, read in ((head, texts.get(head.id, none)) for head in heads)
        ]

    def _texts(self, connection: Connection, ids: Sequence[str]) -> dict[str, ReadText]:
        """Return the texts by id: one by one, if they cannot be read together."""
        try:
            found = connection.execute(self._statements.texts(ids)).all()
            connection.rollback()
        except (DBAPIError, ValueError) as error:  # ValueError: a driver that cannot decode a text
            connection.rollback()
            if self._interrupted or (isinstance(error, DBAPIError) and _concerns_all(error)):
                raise
            if len(ids) == 1:
                return {ids[0]: ReadText(unreadable=_reason(error))}
            return {row_id: value for one in ids for row_id, value in self._texts(connection, [one]).items()}
        return {row.id: text_of(row.text) for row in found}

    def _prepare_sessions(self, timeout: float) -> None:
        engine: Engine = self._engine

        @event.listens_for(engine, "do_connect")
        def connect(_dialect: object, _record: object, _arguments: object, named: dict[str, Any]) -> None:
            for name, value in _CONNECTION.get(engine.dialect.driver, {}).items():
                named.setdefault(name, value)

        @event.listens_for(engine, "connect")
        def limit(connection: Any, _record: object) -> None:
            self._connection = connection
            cursor = connection.cursor()
            for statement in _SESSION.get(engine.dialect.name, ()):
                cursor.execute(statement.format(ms=int(timeout * 1000)))
            cursor.close()
            connection.commit()


def _label(url: URL) -> str:
    """Return what a database is called beside its rows: host and name, of SQLite the file."""
    return "/".join(part for part in (url.host, url.database) if part) or url.get_backend_name()


def _concerns_all(error: DBAPIError) -> bool:
    """Tell whether other rows cannot be read either."""
    code = failure_code(getattr(error.orig, "sqlstate", None), str(error.orig))
    return error.connection_invalidated or code in (UCS_DENIED, UCS_TABLE_UNKNOWN)


def _reason(error: Exception) -> str:
    """Return the class of the error and, of PostgreSQL, its code."""
    origin = getattr(error, "orig", None) or error
    code = getattr(origin, "sqlstate", None)
    return f"{type(origin).__name__}{f' {code}' if code else ''}"
