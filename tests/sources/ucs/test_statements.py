"""The statements for each product, as text. Those of Oracle, SQL Server and DB2 have not been run against a server.

DB2's dialect is a package that needs IBM's driver; ibm_db_sa 0.4.4 writes these statements as the default dialect does.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import make_url
from sqlalchemy.dialects import mssql, oracle, postgresql, sqlite
from sqlalchemy.engine.default import DefaultDialect

from bridge.sources.ucs.interaction_rows import PagePlace
from bridge.sources.ucs.interactions import InteractionNames, Statements

if TYPE_CHECKING:
    from sqlalchemy import Select

DIALECTS = {
    "oracle": oracle.dialect,
    "mssql": mssql.dialect,
    "postgresql": postgresql.dialect,
    "sqlite": sqlite.dialect,
    "db2": DefaultDialect,
}
GUIDE = Path(__file__).parents[3] / "docs" / "doors" / "ucs.md"
PLACE = PagePlace(datetime(2031, 3, 4, 10), "S1")  # noqa: DTZ001 - the column has no zone
PAGE = (
    "SELECT {top}interaction.id AS id, interaction.status AS status, {start} AS start_date, "
    "{length}(interaction.structuredtext) AS length FROM interaction WHERE interaction.mediatypeid IN ('chat') AND "
    "({start} > {value} OR {start} = {value} AND interaction.id > 'S1') ORDER BY {start}, interaction.id{limit}"
)
BY_ID = (
    "SELECT interaction.id AS id, interaction.status AS status, {start} AS start_date, "
    "{length}(interaction.structuredtext) AS length FROM interaction WHERE interaction.mediatypeid IN ('chat') AND "
    "interaction.id IN ('S1', 'S2')"
)
_TIME = "'2031-03-04 10:00:00'"
_PLAIN = {"top": "", "start": "interaction.startdate", "length": "length", "value": _TIME, "limit": " LIMIT 100"}
GOLDEN = {
    "postgresql": _PLAIN,
    "db2": _PLAIN,
    "sqlite": {**_PLAIN, "start": "datetime(interaction.startdate)", "limit": " LIMIT 100 OFFSET 0"},
    "mssql": {**_PLAIN, "top": "TOP 100 ", "length": "len", "limit": ""},
    "oracle": {
        **_PLAIN,
        "value": f"TO_DATE({_TIME}, 'YYYY-MM-DD HH24:MI:SS')",
        "limit": " FETCH FIRST 100 ROWS ONLY",
    },
}


def compiled(statement: Select[Any], dialect: str) -> str:
    made = statement.compile(dialect=DIALECTS[dialect](), compile_kwargs={"literal_binds": True})
    return " ".join(str(made).split())


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_page_goes_by_start_and_id_and_is_limited(dialect: str) -> None:
    statements = Statements(InteractionNames(), dialect, ["chat"], 1_000)
    assert compiled(statements.page(PLACE, 100), dialect) == PAGE.format(**GOLDEN[dialect])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_text_above_the_limit_is_not_fetched(dialect: str) -> None:
    length = GOLDEN[dialect]["length"]
    found = compiled(Statements(InteractionNames(), dialect, ["chat"], 1_000).texts(["S1", "S2"]), dialect)
    fetched = f"CASE WHEN ({length}(interaction.structuredtext) <= 1000) THEN interaction.structuredtext END AS text"
    assert f" {fetched} FROM" in found
    assert found.endswith(" WHERE interaction.id IN ('S1', 'S2')")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_chats_are_asked_by_their_ids(dialect: str) -> None:
    golden = GOLDEN[dialect]
    found = compiled(Statements(InteractionNames(), dialect, ["chat"], 1_000).with_ids(["S1", "S2"]), dialect)
    assert found == BY_ID.format(**golden)


def test_the_guide_has_a_url_of_oracle_with_the_driver_of_its_thin_mode() -> None:
    [url] = [make_url(one) for one in re.findall(r"`(oracle\S+)`", GUIDE.read_text("utf-8"))]
    assert (url.get_dialect().name, url.get_driver_name()) == ("oracle", "oracledb")
    assert (url.database, url.query) == ("", {"service_name": "ucs"})
