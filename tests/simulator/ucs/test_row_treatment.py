"""The irregularities of rows, and that several writers come to the same table however they interleave."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import inspect

from bridge.archive.repaired_xml import read_repaired
from bridge.simulator.traffic.scenario import ScenarioSettings
from bridge.simulator.ucs.played_chats import played_chat
from bridge.simulator.ucs.row_treatment import IRREGULARITIES, Irregularities, RowStep, steps_of
from bridge.simulator.ucs.row_writers import ConcurrentRowWriters, RowStepWriter
from bridge.simulator.ucs.saved_chats import SavedChats, SavedRow
from bridge.simulator.ucs.stored_form import StoredForm
from bridge.simulator.ucs.ucs_table import UcsTable, all_texts
from tests.support.postgres_server import postgres_server
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERY = Irregularities(**{each.name: 1.0 for each in fields(Irregularities)})
OPENED = SavedRow("S1", 2, 1_930_000_007, 1_930_000_007)
DOCUMENTED = {
    *("id", "status", "entitytypeid", "mediatypeid", "typeid", "subtypeid", "externalid", "ownerid", "contactid"),
    *("parentid", "threadid", "categoryid", "startdate", "enddate", "timeshift", "stoppedreason", "lang"),
    *("modifieddate", "subtenantid", "subject", "text", "structuredtext", "structtextmimetype", "thecomment"),
    *("tenantid", "threadhash", "canbeparent", "creatorappid", "queuename", "allattributes", "isspam"),
    *("iscategoryapproved", "websafeemailstatus"),
    *(f"strattribute{number}" for number in range(1, 11)),
    *(f"intattribute{number}" for number in range(1, 6)),
}
TEXT = '<chatTranscript sessionId="S1"><message eventId="1"><msgText>a</msgText></message></chatTranscript>'
OVER = SavedRow("S1", 3, 1_930_000_007, 1_930_000_099, 1_930_000_099, TEXT)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def tables(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[UcsTable]]:
    """An empty table, and an empty archive."""
    if request.param == "sqlite":
        made = [UcsTable(f"sqlite:///{tmp_path}/{name}.db") for name in ("main", "archive")]
    else:
        server: str = request.getfixturevalue("postgres")
        made = [UcsTable(server, name) for name in ("interaction", "archived")]
    for table in made:
        table.columns.metadata.drop_all(table.engine)
        table.create()
    yield made
    for table in made:
        table.close()


def scripts(count: int, irregularities: Irregularities, auto_save: int = 0) -> list[list[RowStep]]:
    found: list[list[RowStep]] = []
    for number in range(count):
        saved = SavedChats(StoredForm(), auto_save)
        played = played_chat(ScenarioSettings(5, 12), number, 1_930_000_000 + number)
        rows = [row for at, effect in played.effects for row in saved.rows(effect, at)]
        chosen = irregularities.chosen(5, played.session_id)
        found.append([step for row in rows for step in steps_of(row, chosen)])
    return found


def final(script: list[RowStep]) -> tuple[int, str | None]:
    row = next(step.row for step in reversed(script) if step.row is not None)
    return row.status, row.text


def test_without_irregularities_a_row_is_what_was_saved() -> None:
    assert steps_of(OPENED, ()) == [RowStep("save", "S1", OPENED)]
    assert steps_of(OVER, ()) == [RowStep("save", "S1", OVER)]
    assert Irregularities().chosen(1, "S1") == frozenset()


def test_each_irregularity_changes_the_steps_in_its_way() -> None:
    def rows(name: str, row: SavedRow = OVER) -> list[SavedRow | None]:
        return [step.row for step in steps_of(row, {name})]

    late = rows("late_text")
    assert [None if row is None else (row.status, row.text) for row in late] == [(3, None), (3, TEXT)]
    assert [row and row.end for row in rows("no_end_date")] == [None]
    assert [row and row.start for row in rows("same_second")] == [1_929_999_960]
    assert [row and row.text for row in rows("edited")] == [TEXT, TEXT.replace(">a<", ">[removed]<")]
    assert [step.kind for step in steps_of(OVER, {"archived"})] == ["save", "archive"]
    assert [step.kind for step in steps_of(OPENED, {"late_commit"})] == ["hold"]


def test_a_text_that_is_not_well_formed_can_be_repaired_without_losing_an_event() -> None:
    kinds = set()
    for number in range(12):
        session_id = f"S{number}"
        row = SavedRow(session_id, 3, 0, 0, 0, TEXT.replace("S1", session_id))
        [step] = steps_of(row, {"ill_formed"})
        assert step.row is not None
        assert step.row.text is not None
        read = read_repaired(step.row.text.encode(), "x", session_id=session_id)
        kinds |= {repair.code for repair in read.repairs}
        assert [event.event_id for event in read.documents[0].transcript.chat_event_list] == [1]
    assert len(kinds) == 3


def test_the_share_of_irregular_chats_is_the_one_that_was_wanted_and_the_seed_decides() -> None:
    half = Irregularities(edited=0.5)
    chosen = [half.chosen(1, f"S{number}") for number in range(2000)]
    assert 900 < sum(map(len, chosen)) < 1100
    assert chosen == [half.chosen(1, f"S{number}") for number in range(2000)]
    assert chosen != [half.chosen(2, f"S{number}") for number in range(2000)]
    assert set(IRREGULARITIES) == {name.replace("_", "-") for name in EVERY.chosen(1, "S1")}


def test_the_table_has_the_documented_columns(tables: list[UcsTable]) -> None:
    columns: dict[str, Any] = {
        each["name"]: each for each in inspect(tables[0].engine).get_columns(tables[0].columns.name)
    }
    assert columns.keys() == DOCUMENTED
    needed = {name for name, column in columns.items() if not column["nullable"]}
    assert needed == {
        *("id", "status", "entitytypeid", "mediatypeid", "typeid", "startdate"),
        *("tenantid", "canbeparent", "creatorappid"),
    }


def test_a_held_row_is_seen_after_its_commit_only(tables: list[UcsTable]) -> None:
    writer = RowStepWriter(*tables)
    [held] = steps_of(OPENED, {"late_commit"})
    writer.perform(held)
    writer.perform(RowStep("save", "S2", SavedRow("S2", 2, 1_930_000_008, 1_930_000_008)))
    assert set(tables[0].texts()) == {"S2"}
    writer.perform(RowStep("save", "S1", OVER))
    assert tables[0].texts() == {"S1": (3, TEXT), "S2": (2, None)}


def test_a_row_moves_to_the_archive_with_all_its_columns(tables: list[UcsTable]) -> None:
    tables[0].save(OVER)
    before = tables[0].row("S1")
    tables[0].move("S1", tables[1])
    assert tables[0].row("S1") is None
    assert tables[1].row("S1") == before
    assert before is not None
    assert (before["typeid"], before["stoppedreason"], before["structtextmimetype"]) == (
        "Inbound",
        "Normal",
        "text/xml",
    )


def test_concurrent_writers_leave_what_their_chats_say_however_they_interleave(tables: list[UcsTable]) -> None:
    some = Irregularities(**{each.name: 0.3 for each in fields(Irregularities)})
    chats = scripts(40, some, auto_save=1)
    with ConcurrentRowWriters(tables[0], tables[1], chats, seed=1) as writers:
        pass
    assert not writers.is_writing
    assert writers.performed == sum(map(len, chats))
    assert all_texts(tables) == {script[0].session_id: final(script) for script in chats}
    assert set(tables[1].texts()) == {script[0].session_id for script in chats if script[-1].kind == "archive"}


def test_the_error_of_a_writer_is_raised(tables: list[UcsTable]) -> None:
    tables[0].columns.metadata.drop_all(tables[0].engine)
    with (
        pytest.raises(Exception, match="interaction"),
        ConcurrentRowWriters(tables[0], tables[1], scripts(3, EVERY), seed=1),
    ):
        pass


def test_writers_wait_where_they_are_not_allowed_to_go_on(tables: list[UcsTable]) -> None:
    chats = scripts(20, EVERY)
    writers = ConcurrentRowWriters(tables[0], tables[1], chats, seed=1)
    writers.allow(0.5)
    half, whole = sum(map(len, chats)) // 2, {script[0].session_id: final(script) for script in chats}
    with writers:
        wait_for(lambda: writers.performed == half, 30, "the writers do not go on")
        assert writers.is_writing
        assert all_texts(tables) != whole
    assert writers.performed == 2 * half
    assert all_texts(tables) == whole
