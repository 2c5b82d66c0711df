"""The table INTERACTION of a UCS database, and its archive: DDL with the columns that are known, and writes.

The columns are those of Oracle's table (reach facts, section 1.1); the types are mapped to those of other products.
Names are written without quotes, so that a product spells them its own way. Every operation is one transaction.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Column,
    DateTime,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    create_engine,
    delete,
    event,
    insert,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Engine

    from bridge.simulator.ucs.saved_chats import SavedRow

CHAT_ENTITY: Final = 2
_TENANT: Final = 1
_DATES: Final = ("startdate", "enddate", "modifieddate")
_ROWS_AT_ONCE: Final = 500


def interaction_columns(name: str = "interaction") -> Table:
    """Return the table, of a MetaData of its own."""
    texts = {"mediatypeid": 32, "typeid": 32, "subtypeid": 32, "externalid": 256, "subject": 512, "stoppedreason": 64}
    texts |= {"lang": 64, "queuename": 64, "structtextmimetype": 256, "websafeemailstatus": 32}
    texts |= dict.fromkeys(("contactid", "parentid", "threadid", "categoryid"), 16)
    texts |= {f"strattribute{at}": 256 for at in range(1, 11)}
    numbers = {"status": 3, "entitytypeid": 3, "tenantid": 10, "ownerid": 10, "threadhash": 10, "canbeparent": 1}
    numbers |= {"creatorappid": 10, "timeshift": 5, "subtenantid": 10, "isspam": 1, "iscategoryapproved": 1}
    numbers |= {f"intattribute{at}": 10 for at in range(1, 6)}
    needed = {"status", "entitytypeid", "mediatypeid", "typeid", "tenantid", "canbeparent", "creatorappid", "startdate"}
    columns: list[Column[Any]] = [Column("id", String(16), primary_key=True)]
    columns += [Column(each, String(length), nullable=each not in needed) for each, length in texts.items()]
    columns += [
        Column(each, Numeric(digits, asdecimal=False), nullable=each not in needed) for each, digits in numbers.items()
    ]
    columns += [
        Column(each, DateTime, nullable=each not in needed) for each in ("startdate", "enddate", "modifieddate")
    ]
    columns += [Column(each, Text, nullable=True) for each in ("text", "structuredtext", "thecomment")]
    columns.append(Column("allattributes", LargeBinary, nullable=True))
    return Table(name, MetaData(), *columns)


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _values(row: SavedRow) -> dict[str, Any]:
    return {
        "status": row.status,
        "startdate": _time(row.start),
        "enddate": _time(row.end),
        "modifieddate": _time(row.modified),
        "stoppedreason": None if row.end is None else "Normal",
        "structtextmimetype": None if row.text is None else "text/xml",
        "structuredtext": row.text,
    }


def _new_values(row: SavedRow) -> dict[str, Any]:
    fixed = {"entitytypeid": CHAT_ENTITY, "mediatypeid": "chat", "typeid": "Inbound", "subtypeid": "InboundNew"}
    fixed_numbers = {"tenantid": _TENANT, "canbeparent": 0, "creatorappid": 101, "timeshift": 0}
    return {"id": row.session_id, "threadid": row.session_id, **fixed, **fixed_numbers, **_values(row)}


def _let_others_read(connection: Any, _record: object) -> None:
    """Let readers of SQLite read while it is written, and do not wait for the disk: it is a simulation."""
    for pragma in ("journal_mode = WAL", "synchronous = OFF", "busy_timeout = 30000"):
        connection.execute(f"PRAGMA {pragma}").close()


class HeldRow:
    """A row that is written, and that nobody else sees before `commit`."""

    def __init__(self, table: UcsTable, row: SavedRow) -> None:
        """Insert it in a transaction of its own. SQLite lets one writer write at a time: there it is only kept back."""
        self._table = table
        self._row = row
        self._connection: Connection | None = None
        if table.engine.dialect.name != "sqlite":
            connection = table.engine.connect()
            try:
                connection.execute(insert(table.columns), [_new_values(row)])
            except SQLAlchemyError:
                connection.close()
                raise
            self._connection = connection

    def commit(self) -> None:
        """Let everybody see the row."""
        if self._connection is None:
            self._table.save(self._row)
            return
        self._connection.commit()
        self._connection.close()

    def abandon(self) -> None:
        """Do not write the row."""
        if self._connection is not None:
            self._connection.close()


class UcsTable:
    """The table of one database. It may be used by several threads."""

    def __init__(self, url: str, name: str = "interaction") -> None:
        """`url` as SQLAlchemy's. Raises SQLAlchemyError, as every method does."""
        self.engine: Engine = create_engine(url, max_overflow=-1)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _let_others_read)
        self.columns = interaction_columns(name)

    def create(self) -> None:
        """Make the table unless there is one."""
        self.columns.metadata.create_all(self.engine)

    def save(self, row: SavedRow) -> None:
        """Insert the row of a chat, or update it."""
        with self.engine.begin() as connection:
            known = update(self.columns).where(self.columns.c.id == row.session_id).values(**_values(row))
            if not connection.execute(known).rowcount:
                connection.execute(insert(self.columns), [_new_values(row)])

    def insert_many(self, rows: Iterable[SavedRow]) -> None:
        """Insert rows of chats that the table does not have."""
        pending: list[dict[str, Any]] = []
        with self.engine.begin() as connection:
            for row in rows:
                pending.append(_new_values(row))
                if len(pending) >= _ROWS_AT_ONCE:
                    connection.execute(insert(self.columns), pending)
                    pending.clear()
            if pending:
                connection.execute(insert(self.columns), pending)

    def hold(self, row: SavedRow) -> HeldRow:
        """Insert the row of a chat in a transaction that stays open."""
        return HeldRow(self, row)

    def move(self, session_id: str, archive: UcsTable) -> None:
        """Move a row to the archive, as maintenance does: it is written there, and then deleted here."""
        with self.engine.connect() as connection:
            found = connection.execute(select(self.columns).where(self.columns.c.id == session_id)).mappings().all()
        if not found:
            return
        with archive.engine.begin() as connection:
            connection.execute(delete(archive.columns).where(archive.columns.c.id == session_id))
            connection.execute(insert(archive.columns), [dict(each) for each in found])
        with self.engine.begin() as connection:
            connection.execute(delete(self.columns).where(self.columns.c.id == session_id))

    def row(self, session_id: str) -> dict[str, Any] | None:
        """Return the columns of a row by their lower-case names; None if there is none."""
        with self.engine.connect() as connection:
            found = connection.execute(select(self.columns).where(self.columns.c.id == session_id)).mappings().first()
        return None if found is None else dict(found)

    def texts(self) -> dict[str, tuple[int, str | None]]:
        """Return (STATUS, STRUCTUREDTEXT) of every row by id: the plain full read that readers are compared with."""
        wanted = select(self.columns.c.id, self.columns.c.status, self.columns.c.structuredtext)
        with self.engine.connect() as connection:
            return {each.id: (int(each.status), each.structuredtext) for each in connection.execute(wanted)}

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()


def all_texts(tables: Sequence[UcsTable]) -> dict[str, tuple[int, str | None]]:
    """Return what `UcsTable.texts` says of several databases; the first one that has a chat counts."""
    return {session_id: row for table in reversed(tables) for session_id, row in table.texts().items()}
