"""Texts that the database does not give are asked for over HTTP, if UCS can be asked so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from bridge.capture.stored_texts import StoredText
from bridge.errors import Problem
from bridge.sources.ucs.database import ReadingLimits
from bridge.sources.ucs.feeder_facts import StoredChatMissing, UcsReadFailed
from bridge.sources.ucs.http_codes import UCS_HTTP_NOT_FOUND, UCS_HTTP_UNREACHABLE
from tests.sources.ucs.followed_tables import DAY, MINUTE, FollowedTables, delete
from tests.sources.ucs.interaction_table import InteractionTable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class ScriptedHttp:
    """Answers with what is there, `problem` about others. `asked` are the ids in order."""

    def __init__(self, problem: str = UCS_HTTP_NOT_FOUND) -> None:
        self.there: dict[str, StoredText] = {}
        self.problem = problem
        self.asked: list[str] = []
        self._open = False

    def put(self, session_id: str, text: str, *, final: bool = True) -> None:
        self.there[session_id] = StoredText(session_id, f"http#{session_id}", text.encode(), final, 1)

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._open = False

    async def transcript(self, session_id: str) -> StoredText | Problem:
        assert self._open
        self.asked.append(session_id)
        return self.there.get(session_id, Problem(self.problem, "scripted"))


def run(followed: FollowedTables, steps: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with followed.following():
            await steps()

    asyncio.run(main())


async def gone(followed: FollowedTables) -> None:
    """Wait until chats whose rows were deleted were asked by their ids; first for the round that may have them yet."""
    await followed.round()
    await followed.round(MINUTE)


def test_a_chat_whose_row_is_gone_is_asked_by_its_id_and_passed_on_once(url: str) -> None:
    table, http = InteractionTable(url), ScriptedHttp()
    table.add("WAITS", None, status=2)
    table.add("READ", "read")
    http.put("WAITS", "by id")
    followed = FollowedTables(url, http=http)

    async def steps() -> None:
        delete(table, "WAITS")
        delete(table, "READ")
        await gone(followed)
        assert followed.of("WAITS") == [("by id", True)]
        assert followed.feeder.waiting_chats == 0
        await followed.kill_and_go_on()
        await followed.round(DAY)

    run(followed, steps)
    assert followed.of("WAITS") == [("by id", True)]
    assert http.asked == ["WAITS"]
    assert followed.told(StoredChatMissing) == []


def test_what_is_not_over_or_not_there_is_told_to_be_missing_as_without_http(url: str) -> None:
    table, http = InteractionTable(url), ScriptedHttp()
    for session_id in ("RUNS", "NOWHERE"):
        table.add(session_id, None, status=2)
    http.put("RUNS", "so far", final=False)
    followed = FollowedTables(url, http=http)

    async def steps() -> None:
        for session_id in ("RUNS", "NOWHERE"):
            delete(table, session_id)
        await gone(followed)
        assert followed.feeder.waiting_chats == 2
        await followed.round(DAY)

    run(followed, steps)
    assert followed.texts == []
    assert sorted(fact.session for fact in followed.told(StoredChatMissing)) == ["NOWHERE", "RUNS"]
    assert followed.told(UcsReadFailed) == []


def test_a_service_that_does_not_answer_is_told_once_and_not_asked_for_each_chat(url: str) -> None:
    table, http = InteractionTable(url), ScriptedHttp(UCS_HTTP_UNREACHABLE)
    for at in range(3):
        table.add(f"S{at}", None, status=2)
    followed = FollowedTables(url, http=http)

    async def steps() -> None:
        for at in range(3):
            delete(table, f"S{at}")
        await gone(followed)
        once = len(http.asked)
        assert once == 1
        await followed.round(10 * MINUTE)
        assert len(http.asked) > once
        assert followed.feeder.waiting_chats == 3

    run(followed, steps)
    assert [(fact.database, fact.code) for fact in followed.told(UcsReadFailed)] == [("http", UCS_HTTP_UNREACHABLE)]


def test_a_text_that_sql_cannot_read_is_asked_by_its_id(url: str) -> None:
    table, http = InteractionTable(url), ScriptedHttp()
    table.add("S1", "x" * 201)
    table.add("S2", "y" * 201)
    table.add("S3", "three")
    http.put("S1", "one")
    followed = FollowedTables(url, limits=ReadingLimits(most_characters=200), http=http)

    async def steps() -> None:
        await followed.round()

    run(followed, steps)
    assert sorted(followed.texts) == [("S1", "one", True), ("S3", "three", True)]
    assert [one.place for read in followed.reads for one in read.texts if one.session_id == "S1"] == ["http#S1"]
    assert [fact.session for fact in followed.told(StoredChatMissing)] == ["S2"]
