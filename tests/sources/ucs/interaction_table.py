"""A table of interactions whose rows are written by SQL of the tests' own."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import DateTime, NullPool, bindparam, create_engine, text

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_CREATE: Final = (
    "CREATE TABLE {table} (ID VARCHAR(16) PRIMARY KEY, STATUS NUMERIC(3) NOT NULL, MEDIATYPEID VARCHAR(32) NOT NULL, "
    "STARTDATE TIMESTAMP NOT NULL, ENDDATE TIMESTAMP, MODIFIEDDATE TIMESTAMP, STRUCTUREDTEXT TEXT)"
)


def transcript(session_id: str, *said: str, start_at: str = "2031-03-04T10:00:00Z") -> str:
    events = "".join(
        f'<message userId="01" timeShift="{at}" visibility="ALL" eventId="{at}"><msgText>{one}</msgText></message>'
        for at, one in enumerate(said, 1)
    )
    return (
        f'<?xml version="1.0"?><chatTranscript startAt="{start_at}" sessionId="{session_id}">{events}</chatTranscript>'
    )


class InteractionTable:
    """One table in one database."""

    def __init__(self, url: str, table: str = "interaction") -> None:
        """Make the table anew."""
        self.url = url
        self.engine: Engine = create_engine(url, poolclass=NullPool)
        self.table = table
        with self.engine.begin() as connection:
            connection.execute(text(f"DROP TABLE IF EXISTS {table}"))
            connection.execute(text(_CREATE.format(table=table)))

    def add(
        self,
        session_id: str,
        stored: str | None,
        *,
        start: str = "2031-03-04 10:00:00",
        status: int = 3,
        media: str = "chat",
        connection: Connection | None = None,
    ) -> None:
        """Write a row, in a transaction of its own unless there is a connection."""
        if connection is None:
            with self.engine.begin() as own:
                self.add(session_id, stored, start=start, status=status, media=media, connection=own)
            return
        connection.execute(
            text(
                f"INSERT INTO {self.table} (ID, STATUS, MEDIATYPEID, STARTDATE, STRUCTUREDTEXT) "  # noqa: S608
                "VALUES (:id, :status, :media, :start, :text)"
            ).bindparams(
                bindparam("start", datetime.fromisoformat(start), DateTime()),
                id=session_id,
                status=status,
                media=media,
                text=stored,
            )
        )
