"""Reading chats from the tables of UCS: each loss of exporters that page by date alone, and rows that are not right."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from bridge.cli import main
from bridge.commands.stored_rows import StoredRows
from bridge.errors import EnvironmentFault, UsageError
from bridge.sources.ucs.database import ReadingLimits, UcsDatabase
from bridge.sources.ucs.interactions import InteractionNames
from tests.commands.convert_process import assert_chained, convert, records_of
from tests.sources.ucs.followed_tables import execute
from tests.sources.ucs.interaction_table import InteractionTable, transcript

if TYPE_CHECKING:
    from pathlib import Path

    from bridge.archive.repairs import TranscriptRepair

SINCE = datetime(2031, 3, 4)  # noqa: DTZ001 - the column has no zone
FAILS_WHEN_FETCHED = """
CREATE OR REPLACE FUNCTION fetched(id VARCHAR, t TEXT) RETURNS TEXT LANGUAGE plpgsql AS $$
BEGIN
  IF id = 'S1' AND current_query() NOT LIKE '%AS length%' THEN RAISE SQLSTATE 'XX001'; END IF;
  RETURN t;
END $$
"""
"""A text that fails when it is fetched, and whose length is known: as a damaged page of a disk does."""
DAMAGED = """
CREATE VIEW damaged AS
SELECT ID, STATUS, MEDIATYPEID, STARTDATE, fetched(ID, STRUCTUREDTEXT) AS STRUCTUREDTEXT FROM interaction
"""


class Reading:
    """What is read of some databases, and said about it."""

    def __init__(
        self,
        *urls: str,
        strict: bool = False,
        names: InteractionNames | None = None,
        limits: ReadingLimits | None = None,
    ) -> None:
        self.lines: list[str] = []
        self.mended: list[list[TranscriptRepair]] = []
        databases = [UcsDatabase(url, names or InteractionNames(), limits) for url in urls]
        self.rows = StoredRows(
            databases,
            strict,
            lambda _, line: self.lines.append(line),
            lambda _, repairs: self.mended.append(repairs),
            self.lines.append,
            lambda place, row: self.lines.append(f"{place}:0: NO_TEXT: {row.status}"),
        )

    def texts(self) -> dict[str, list[list[str]]]:
        """The texts of the copies of each chat."""
        found: dict[str, list[list[str]]] = {}
        for chat in self.rows.chats(SINCE):
            assert chat.session_id not in found
            found[chat.session_id] = [
                [event.message_text.text for event in copy.transcript.chat_event_list if event.message_text]
                for copy in chat.copies
            ]
        return found

    @property
    def codes(self) -> list[str]:
        """The codes of the lines that are about a row as a whole."""
        return [line.rpartition(":0: ")[2].partition(":")[0] for line in self.lines]


def test_chats_of_one_second_are_all_read_however_the_pages_end(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = InteractionTable(url)
    for at in range(7):
        table.add(f"S{at}", transcript(f"S{at}", "a"), start=f"2031-03-04 10:00:0{at // 5}")
    for rows in (1, 2, 3, 7, 8):
        monkeypatch.setattr(UcsDatabase.pages, "__defaults__", (rows,))
        assert Reading(url).texts() == {f"S{at}": [["a"]] for at in range(7)}


def test_what_commits_late_while_it_is_read_is_read(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = InteractionTable(url)
    for at in range(3):
        table.add(f"S{at}", transcript(f"S{at}", "a"), start=f"2031-03-04 10:00:0{at}")
    monkeypatch.setattr(UcsDatabase.pages, "__defaults__", (1,))
    chats = Reading(url).rows.chats(SINCE)
    assert [next(chats).session_id, next(chats).session_id] == ["S0", "S1"]
    table.add("LATE", transcript("LATE", "b"), start="2031-03-04 10:00:00")
    assert [chat.session_id for chat in chats] == ["S2", "LATE"]


def test_what_another_writer_commits_after_its_page_was_read_is_read(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = InteractionTable(postgres)
    for at in range(3):
        table.add(f"S{at}", transcript(f"S{at}", "a"), start=f"2031-03-04 10:00:0{at}")
    monkeypatch.setattr(UcsDatabase.pages, "__defaults__", (1,))
    with table.engine.connect() as writer:
        table.add("LATE", transcript("LATE", "b"), start="2031-03-04 10:00:00", connection=writer)
        chats = Reading(postgres).rows.chats(SINCE)
        assert [next(chats).session_id, next(chats).session_id] == ["S0", "S1"]
        writer.commit()
    assert [chat.session_id for chat in chats] == ["S2", "LATE"]


def test_what_commits_late_is_read_beside_a_row_whose_date_is_after_all_others(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = InteractionTable(postgres)
    for at in range(4):
        table.add(f"S{at}", transcript(f"S{at}", "a"), start=f"2031-03-04 10:00:0{at}")
    execute(table, "UPDATE {t} SET STARTDATE = 'infinity' WHERE ID = 'S3'")
    monkeypatch.setattr(UcsDatabase.pages, "__defaults__", (1,))
    chats = Reading(postgres).rows.chats(SINCE)
    assert [next(chats).session_id, next(chats).session_id] == ["S0", "S1"]
    table.add("LATE", transcript("LATE", "b"), start="2031-03-04 10:00:00")
    assert [chat.session_id for chat in chats] == ["S2", "LATE"]


def test_a_row_without_its_text_or_not_over_is_told_and_one_without_an_end_date_is_read(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", None)
    table.add("S2", transcript("S2", "a"), status=2)
    table.add("S3", transcript("S3", "a"))  # ENDDATE is null
    table.add("S4", transcript("S4", "a"), media="email")
    reading = Reading(url)
    assert reading.texts() == {"S3": [["a"]]}
    assert reading.codes == ["NO_TEXT", "NO_TEXT"]


def test_an_ill_formed_row_is_repaired_or_refused_and_the_next_goes_on(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", transcript("S1", "a & b"))
    table.add("S2", "no transcript")
    table.add("S3", transcript("S3", "a", "b")[:-40])
    table.add("S4", transcript("OTHER", "a"))
    table.add("S5", transcript("S5", "a").replace('"1.0"', '"1.0" encoding="UTF-16"'))
    reading = Reading(url)
    assert reading.texts() == {"S1": [["a & b"]], "S3": [["a"]], "S5": [["a"]]}
    assert [line.partition("#")[2] for line in reading.lines] == [
        "S2:1: NOT_XML: syntax error",
        "S4:0: OTHER_CHAT: the transcript is of another chat than the row",
    ]
    assert len(reading.mended) == 2
    strict = Reading(url, strict=True)
    assert strict.texts() == {"S5": [["a"]]}
    assert len(strict.lines) == 4


def test_a_text_above_the_limit_costs_only_itself(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", transcript("S1", "x" * 200))
    table.add("S2", transcript("S2", "a")[:200])
    reading = Reading(url, limits=ReadingLimits(most_characters=200))
    assert list(reading.texts()) == ["S2"]
    assert "UNREADABLE_ROW: " in reading.lines[0]


def test_a_row_that_the_database_cannot_give_costs_only_itself(postgres: str) -> None:
    table = InteractionTable(postgres)
    table.add("S1", transcript("S1", "a"))
    table.add("S2", transcript("S2", "b"))
    names = InteractionNames(table="damaged")
    with table.engine.begin() as connection:
        connection.execute(text(FAILS_WHEN_FETCHED))
        connection.execute(text(DAMAGED))
    try:
        reading = Reading(postgres, names=names)
        assert reading.texts() == {"S2": [["b"]]}
        assert [line.partition("#")[2] for line in reading.lines] == ["S1:0: UNREADABLE_ROW: DataCorrupted XX001"]
    finally:
        with table.engine.begin() as connection:
            connection.execute(text("DROP VIEW damaged"))


def test_a_chat_that_moves_to_the_archive_is_read_once(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main, archive = InteractionTable(url), InteractionTable(f"sqlite:///{tmp_path}/archive.db")
    main.add("S1", transcript("S1", "a"), start="2031-03-04 10:00:00")
    main.add("BOTH", transcript("BOTH", "a"), start="2031-03-04 10:00:01")
    archive.add("BOTH", transcript("BOTH", "a", "b"), start="2031-03-04 10:00:01")
    archive.add("OLD", transcript("OLD", "a"), start="2031-03-04 09:00:00")
    main.add("MOVES", transcript("MOVES", "a"), start="2031-03-04 10:00:02")
    monkeypatch.setattr(UcsDatabase.pages, "__defaults__", (1,))
    found: dict[str, int] = {}
    for chat in Reading(main.url, archive.url).rows.chats(SINCE):
        assert chat.session_id not in found
        found[chat.session_id] = len(chat.copies)
        if chat.session_id == "S1":
            archive.add("MOVES", transcript("MOVES", "a"), start="2031-03-04 10:00:02")
            with main.engine.begin() as connection:
                connection.execute(text("DELETE FROM interaction WHERE ID = 'MOVES'"))
    assert found == {"S1": 1, "BOTH": 2, "OLD": 1, "MOVES": 1}


def test_a_doubt_about_the_time_zone_is_told_once_with_the_offset(url: str) -> None:
    table = InteractionTable(url)
    for at in range(3):
        table.add(f"S{at}", transcript(f"S{at}", "a"), start=f"2031-03-04 12:00:0{at}")
    reading = Reading(url)
    assert len(reading.texts()) == 3
    [line] = reading.lines
    assert line.endswith(":0: TIME_ZONE: STARTDATE is +120 minutes from the transcript's startAt")


def test_the_session_cannot_write(url: str) -> None:
    InteractionTable(url)
    database = UcsDatabase(url, InteractionNames())
    with database._engine.connect() as connection, pytest.raises(DBAPIError, match=r"read-?only"):
        connection.execute(text("INSERT INTO interaction (ID, STATUS) VALUES ('S9', 3)"))
    database.close()


def test_names_are_settings_and_their_case_does_not_matter(url: str) -> None:
    table = InteractionTable(url, "chats_of_site")
    table.add("S1", transcript("S1", "a"))
    assert list(Reading(url, names=InteractionNames(table="Chats_Of_Site", id="Id")).texts()) == ["S1"]
    with pytest.raises(EnvironmentFault, match="there is no nowhere"):
        UcsDatabase(url, InteractionNames(table="nowhere"))
    with pytest.raises(EnvironmentFault, match="there is no body"):
        UcsDatabase(url, InteractionNames(table="chats_of_site", text="body"))


def test_a_database_that_cannot_be_reached_is_a_fault_of_the_environment_and_quotes_no_password() -> None:
    with pytest.raises(EnvironmentFault, match=r"\*\*\*") as caught:
        UcsDatabase("postgresql+psycopg://reader:geheim@127.0.0.1:1/ucs", InteractionNames())
    assert "geheim" not in str(caught.value)
    with pytest.raises(UsageError):
        UcsDatabase("no url", InteractionNames())


def test_convert_reads_a_database(url: str) -> None:
    table = InteractionTable(url)
    table.add("S1", transcript("S1", "a", "b"))
    table.add("S2", transcript("S2", "c")[: -len("</message></chatTranscript>")])
    table.add("S3", None)
    done = convert("--ucs-url", url, "--since", "2031-03-04T00:00:00Z")
    assert done.returncode == 0, done.stderr
    records = records_of(done.stdout)
    assert_chained([record for record in records if record["sessionId"] == "S1"])
    assert [(one["sessionId"], one["kind"], one["origin"]) for one in records] == [
        ("S1", "MESSAGE", "ARCHIVE"),
        ("S1", "MESSAGE", "ARCHIVE"),
        ("S2", "GAP", "ARCHIVE"),
    ]
    assert b"#S3:0: NO_TEXT" in done.stderr


@pytest.mark.parametrize(
    "words", [(), ("--ucs-url", "sqlite://"), ("--since", "2031-03-04", "x.xml"), ("--ucs-url", "sqlite://", "x.xml")]
)
def test_arguments_that_do_not_fit_are_refused(words: tuple[str, ...]) -> None:
    assert main(["convert", *words]) == 2
