"""The bookmark belongs to a shard: another owner goes on where the former one was killed, and nothing is read twice."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.capture.hand_fed_shard import until
from tests.capture.test_stored_door import StoredInstallation
from tests.sources.ucs.followed_tables import FollowedTables, change
from tests.sources.ucs.interaction_table import InteractionTable, transcript

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bridge.capture.ports import Failed
    from bridge.capture.stored_inputs import StoredRead
    from bridge.sources.ucs.table_feeder import TableFeeder


class FollowingInstallation(StoredInstallation):
    """A partition whose owners follow a table, one after the other."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.tables = FollowedTables(url, page_rows=2)

    def make_feeder(  # type: ignore[override]
        self, deliver: Callable[[StoredRead, int], None], failed: Failed
    ) -> TableFeeder:
        self.tables.feeder = self.tables.new_feeder(deliver, failed)
        return self.tables.feeder

    def said(self) -> list[tuple[str, bool]]:
        """What lies on the topic: the chats in order, and whether it was their final text."""
        return [(text.session_id, text.final) for text in self.texts()]


@pytest.mark.parametrize(("refuse", "lose"), [(0, 0), (1, 0), (0, 1)])
def test_another_owner_of_the_shard_goes_on_where_the_former_one_was_killed(
    tmp_path: Path, refuse: int, lose: int
) -> None:
    table = InteractionTable(f"sqlite:///{tmp_path}/ucs.db")
    for at in range(20):
        table.add(f"S{at:02}", transcript(f"S{at:02}", "a"), start=f"2031-03-04 10:00:{at // 3:02}")
    table.add("WAITS", None, status=2, start="2031-03-04 10:00:00")

    async def scene() -> None:
        installation = FollowingInstallation(table.url)
        tables, kept = installation.tables, installation.kept
        async with installation.running():
            await tables.until(lambda: len(installation.said()) >= 4)
            kept.refuse, kept.lose = refuse, lose
            await tables.until(lambda: len(installation.said()) >= 9)
        before = len(installation.said())
        async with installation.running(owner=2):
            await until(lambda: tables.feeder.waiting_chats == 1)
            await tables.until(lambda: len(installation.said()) == 20)
            change(table, "WAITS", transcript("WAITS", "a"))
            change(table, "S00", transcript("S00", "edited"))
            await tables.round(3_600)
            await until(lambda: len(installation.said()) == 22)
        assert before >= 9
        said = installation.said()
        assert sorted(said[:20]) == [(f"S{at:02}", True) for at in range(20)]
        assert sorted(said[20:]) == [("S00", True), ("WAITS", True)]
        async with installation.running(owner=3):
            await tables.round(60)
            assert len(installation.said()) == 22

    asyncio.run(scene())
