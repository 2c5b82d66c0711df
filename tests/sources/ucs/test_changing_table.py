"""10,000 chats with all nasty cases, of which many change while they are read, with kills: equal to a full read."""

from __future__ import annotations

import asyncio
import random
import threading
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from sqlalchemy import DateTime, bindparam, text

from tests.sources.ucs.followed_tables import DAY, MINUTE, FollowedTables, change, delete, rows_of
from tests.sources.ucs.interaction_table import InteractionTable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CHATS: Final = 10_000
WRITERS: Final = 3
FIRST: Final = datetime(2031, 3, 4, 9, 40)  # noqa: DTZ001 - the column has no zone
INSERT: Final = text(
    "INSERT INTO interaction (ID, STATUS, MEDIATYPEID, STARTDATE, STRUCTUREDTEXT) "
    "VALUES (:id, :status, 'chat', :at, :said)"
).bindparams(bindparam("at", type_=DateTime()))


def filled(url: str, dice: random.Random) -> InteractionTable:
    """A table with chats of few seconds, some without text, some not over."""
    table = InteractionTable(url)
    rows = []
    for at in range(CHATS):
        status, said = dice.choice([(3, f"text {at}")] * 6 + [(3, None), (2, None), (2, f"begun {at}")])
        start = FIRST + timedelta(seconds=dice.randrange(0, 2_400, 5))
        rows.append({"id": f"S{at:05}", "status": status, "at": start, "said": said})
    with table.engine.begin() as connection:
        connection.execute(INSERT, rows)
    return table


class RowWriter(threading.Thread):
    """Changes its share of the chats, each several times."""

    def __init__(self, main: InteractionTable, archive: InteractionTable, ids: Sequence[str], seed: int) -> None:
        super().__init__(daemon=True)
        self._main, self._archive, self._ids = main, archive, ids
        self._dice = random.Random(seed)
        self._seed = seed

    def run(self) -> None:
        for at, row in enumerate(self._ids):
            match self._dice.randrange(4):
                case 0:
                    change(self._main, row, f"ended {at}")
                case 1:
                    change(self._main, row, f"text {self._seed}{at}")
                    change(self._main, row, f"text {'*' * len(f'{self._seed}{at}')}")
                case 2:
                    delete(self._main, row)
                    self._archive.add(row, f"moved {at}", start="2031-03-04 10:00:00")
                case _:
                    self._late(at)

    def _late(self, at: int) -> None:
        with self._main.engine.connect() as connection:
            start = f"2031-03-04 09:4{at % 10}:00"
            self._main.add(f"L{self._seed}{at:05}", "late", start=start, connection=connection)
            change(self._main, self._ids[at], f"before the late one {at}")
            connection.commit()


def test_a_table_that_changes_while_it_is_read_is_read_as_a_full_read_afterwards_reads_it(
    postgres: str, tmp_path: Path
) -> None:
    dice = random.Random(14)
    main, archive = filled(postgres, dice), InteractionTable(f"sqlite:///{tmp_path}/archive.db")
    changed = dice.sample([f"S{at:05}" for at in range(CHATS)], CHATS // 10)
    writers = [RowWriter(main, archive, changed[at::WRITERS], at) for at in range(WRITERS)]
    followed = FollowedTables(postgres, archive.url, page_rows=250)

    async def follow() -> None:
        followed.feeder.start({})
        for at, writer in enumerate(writers):
            await followed.until(lambda at=at: len(followed.texts) > 1_000 * (at + 1))  # type: ignore[misc]
            writer.start()
            followed.commits = False  # what is delivered now is in a transaction that fails
            delivered = len(followed.reads)
            await followed.until(lambda delivered=delivered: len(followed.reads) > delivered)  # type: ignore[misc]
            await followed.feeder.close()
            followed.commits = True
            await followed.kill_and_go_on()
        while any(writer.is_alive() for writer in writers):
            await followed.round(1)
        for seconds in (MINUTE, 40 * MINUTE, 61 * MINUTE, DAY, MINUTE):
            await followed.round(seconds)
        await followed.feeder.close()

    asyncio.run(follow())
    assert followed.defects == []
    stored = {**final_texts(archive), **final_texts(main)}
    read = dict[str, list[str]]()
    for session_id, said, final in followed.texts:
        assert final
        read.setdefault(session_id, []).append(said)
    assert {session_id: texts[-1] for session_id, texts in read.items()} == stored
    assert all(one != other for texts in read.values() for one, other in pairwise(texts))


def final_texts(table: InteractionTable) -> dict[str, str]:
    return {session_id: said for session_id, status, said in rows_of(table) if status == 3 and said is not None}
