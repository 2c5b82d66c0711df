"""The table of interactions of a UCS database: its names, and the statements that read chats from it.

One row per interaction, the transcript is the text of STRUCTUREDTEXT. Names are settings, because only Oracle's form of
the table is known; they are matched without regard to case. STARTDATE holds UTC, on Oracle in whole seconds: several
chats share one, so pages go by (STARTDATE, ID). A text above the limit is not fetched; its length is.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import DateTime, and_, case, column, func, or_, select, table, type_coerce
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.elements import quoted_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnClause, ColumnElement, Select
    from sqlalchemy.types import TypeEngine

    from bridge.sources.ucs.interaction_rows import PagePlace

_OF_TABLE: Final = ("table", "schema")


@dataclass(slots=True, frozen=True)
class InteractionNames:
    """Names of the table and of the columns that are read. `schema` is that of the user if it is None."""

    table: str = "interaction"
    id: str = "id"
    status: str = "status"
    start_date: str = "startdate"
    media_type: str = "mediatypeid"
    text: str = "structuredtext"
    schema: str | None = None

    def as_found(self, tables: Iterable[str], columns_of: Any) -> InteractionNames:
        """Return the names as the database spells them; `columns_of` returns the columns of a table.

        Raises LookupError with the first name that the database does not have.
        """
        found: dict[str, str] = {"table": _spelled(self.table, tables)}
        columns = list(columns_of(found["table"]))
        for each in fields(self):
            if each.name not in _OF_TABLE:
                found[each.name] = _spelled(getattr(self, each.name), columns)
        return InteractionNames(**found, schema=self.schema)


def _spelled(name: str, known: Iterable[str]) -> str:
    spellings = [one for one in known if one.casefold() == name.casefold()]
    if not spellings:
        raise LookupError(name)
    return name if name in spellings else spellings[0]


def _start(named: ColumnClause[Any], dialect: str) -> ColumnElement[Any]:
    """Return STARTDATE as it is compared. SQLite compares texts, and writers differ in fractions of a second."""
    if dialect == "sqlite":
        whole: TypeEngine[datetime] = sqlite.DATETIME(truncate_microseconds=True)  # type: ignore[no-untyped-call]
        return func.datetime(named, type_=whole)
    return type_coerce(named, DateTime())


class Statements:
    """The statements for one table. `dialect` is SQLAlchemy's name of the database product."""

    def __init__(self, names: InteractionNames, dialect: str, media_types: Sequence[str], most_characters: int) -> None:
        """`most_characters` is the length of the longest text that is fetched."""
        self._columns: dict[str, ColumnClause[Any]] = {
            each.name: column(getattr(names, each.name)) for each in fields(names) if each.name not in _OF_TABLE
        }
        self._start = _start(self._columns["start_date"], dialect)
        schema = None if names.schema is None else quoted_name(names.schema, quote=None)
        self._table = table(names.table, *self._columns.values(), schema=schema)
        self._length = (func.len if dialect == "mssql" else func.length)(self._columns["text"])
        self._media_types = list(media_types)
        self._most = most_characters

    def page(self, after: PagePlace, rows: int) -> Select[Any]:
        """Return the next rows after a place, of every status, without their texts."""
        start, row_id = self._start, self._columns["id"]
        return (
            self._selected(self._length.label("length"))
            .where(or_(start > after.start, and_(start == after.start, row_id > after.id)))
            .order_by(start, row_id)
            .limit(rows)
        )

    def page_ids(self, after: PagePlace, rows: int) -> Select[Any]:
        """Return the ids of the rows that `page` returns."""
        return self.page(after, rows).with_only_columns(self._columns["id"].label("id"))

    def with_ids(self, ids: Sequence[str]) -> Select[Any]:
        """Return the rows with these ids, without their texts."""
        return self._selected(self._length.label("length")).where(self._columns["id"].in_(list(ids)))

    def texts(self, ids: Sequence[str]) -> Select[Any]:
        """Return (id, text) of rows; no text for one that is too long."""
        text = case((self._length <= self._most, self._columns["text"]), else_=None)
        row_id = self._columns["id"]
        return select(row_id.label("id"), text.label("text")).select_from(self._table).where(row_id.in_(list(ids)))

    def _selected(self, length: ColumnElement[Any]) -> Select[Any]:
        labelled = [self._columns[name].label(name) for name in ("id", "status")]
        media = self._columns["media_type"].in_(self._media_types)
        return select(*labelled, self._start.label("start_date"), length).select_from(self._table).where(media)
