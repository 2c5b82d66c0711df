"""What is taken away while the tables are followed, and given back: nothing is lost, and nothing is read twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.sources.ucs.feeder_codes import UCS_DENIED, UCS_TABLE_UNKNOWN
from tests.sources.ucs.followed_tables import MINUTE, FollowedTables, change, execute
from tests.sources.ucs.interaction_table import InteractionTable

if TYPE_CHECKING:
    from collections.abc import Iterator

READER = "withdrawn_reader"
GRANTED = "GRANT SELECT ON {t} TO withdrawn_reader"
GRANTED_WITHOUT_TEXT = "GRANT SELECT (id, status, mediatypeid, startdate) ON {t} TO withdrawn_reader"
REVOKED = "REVOKE SELECT ON {t} FROM withdrawn_reader"


@pytest.fixture
def table(postgres: str) -> Iterator[InteractionTable]:
    """A table that READER may read."""
    made = InteractionTable(postgres)
    execute(made, f"CREATE ROLE {READER} LOGIN")
    execute(made, GRANTED)
    yield made
    execute(made, f"DROP OWNED BY {READER}")
    execute(made, f"DROP ROLE {READER}")


@pytest.mark.parametrize(
    ("taken", "given", "code"),
    [
        (REVOKED, GRANTED, UCS_DENIED),
        (f"{REVOKED}; {GRANTED_WITHOUT_TEXT}", GRANTED, UCS_DENIED),
        ("ALTER TABLE {t} RENAME TO gone", "ALTER TABLE gone RENAME TO {t}", UCS_TABLE_UNKNOWN),
        (
            "ALTER TABLE {t} RENAME structuredtext TO gone",
            "ALTER TABLE {t} RENAME gone TO structuredtext",
            UCS_TABLE_UNKNOWN,
        ),
    ],
    ids=["the right", "the right on the text", "the table", "a column"],
)
def test_what_was_there_meanwhile_is_read_once_when_it_is_given_back(
    table: InteractionTable, taken: str, given: str, code: str
) -> None:
    table.add("READ", "one")
    table.add("WAITS", "begins", status=2)
    followed = FollowedTables(table.url.replace("reader@", f"{READER}@"))

    async def steps() -> None:
        async with followed.following():
            assert followed.texts == [("READ", "one", True)]
            change(table, "WAITS", "begins and ends")
            table.add("LATE", "late", start="2031-03-04 10:00:01")
            execute(table, taken)
            followed.clock.move(2 * MINUTE)
            await followed.until(lambda: [one.code for one in followed.feeder.problems] == [code])
            execute(table, given)
            for _ in range(2):
                followed.clock.move(20 * MINUTE)  # the pause after a refusal, with this URL
                await followed.round(MINUTE)
            assert followed.feeder.problems == []

    asyncio.run(steps())
    assert sorted(followed.texts) == [("LATE", "late", True), ("READ", "one", True), ("WAITS", "begins and ends", True)]
    assert (followed.missing, followed.set_aside) == ([], [])
