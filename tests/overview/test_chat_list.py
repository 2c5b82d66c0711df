from __future__ import annotations

import pytest

from bridge.overview.chat_list import GIVEN_UP, JOINED, OVER, SORT_KEYS, WAITING, ChatQuery, page_of
from bridge.overview.worker_report import ChatView
from tests.support.invented_status import invented_chats


def chat(session_id: str, state: str = JOINED, *, server: str = "chat-a:4800", **values: int | None) -> ChatView:
    return ChatView(
        session_id=session_id,
        shard=values.get("shard") or 0,
        state=state,
        server=server,
        started_at=values.get("started_at"),
        records=values.get("records") or 0,
        gaps=values.get("gaps") or 0,
    )


CHATS = [
    chat("B1", JOINED, server="chat-b:4800", started_at=3000, records=9, gaps=0, shard=2),
    chat("A2", OVER, started_at=1000, records=5, gaps=3, shard=1),
    chat("C3", WAITING, started_at=None, records=0, gaps=0, shard=0),
    chat("A1", GIVEN_UP, server="chat-B:4801", started_at=2000, records=1, gaps=1, shard=2),
]


def ids(query: ChatQuery) -> list[str]:
    return [one.session_id for one in page_of(CHATS, query).rows]


def test_what_needs_a_look_comes_first() -> None:
    assert ids(ChatQuery()) == ["A1", "C3", "B1", "A2"]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("chat", ["A1", "A2", "B1", "C3"]),
        ("shard", ["C3", "A2", "A1", "B1"]),
        ("state", ["A1", "C3", "B1", "A2"]),
        ("server", ["A1", "A2", "C3", "B1"]),
        ("age", ["C3", "B1", "A1", "A2"]),  # the youngest first; without a known start at that end
        ("records", ["C3", "A1", "A2", "B1"]),
        ("gaps", ["B1", "C3", "A1", "A2"]),
    ],
)
def test_chats_are_sorted_by_each_column_and_by_id_where_it_is_the_same(sort: str, order: list[str]) -> None:
    [key] = [one for one in SORT_KEYS if one == sort]
    assert ids(ChatQuery(sort=key)) == order
    assert ids(ChatQuery(sort=key, descending=True)) == order[::-1]


@pytest.mark.parametrize(
    ("search", "found"),
    [("a", ["A1", "A2", "B1", "C3"]), ("a2", ["A2"]), ("CHAT-B:48", ["A1", "B1"]), ("4801", ["A1"]), ("nothing", [])],
)
def test_a_part_of_id_or_server_finds_chats(search: str, found: list[str]) -> None:
    assert ids(ChatQuery(search=search, sort="chat")) == found


def test_a_state_is_a_filter_beside_the_search() -> None:
    page = page_of(CHATS, ChatQuery(state=WAITING, search="chat-a"))
    assert ([one.session_id for one in page.rows], page.matching, page.total) == (["C3"], 1, 4)


@pytest.mark.parametrize(
    ("offset", "limit", "shown", "at"),
    [(0, 3, ["A1", "A2", "B1"], 0), (3, 3, ["C3"], 3), (99, 3, ["C3"], 3), (99, 4, ["A1", "A2", "B1", "C3"], 0)],
)
def test_a_page_is_a_part_and_one_beyond_the_end_is_the_last(
    offset: int, limit: int, shown: list[str], at: int
) -> None:
    page = page_of(CHATS, ChatQuery(sort="chat", offset=offset, limit=limit))
    assert ([one.session_id for one in page.rows], page.offset, page.matching) == (shown, at, 4)


def test_no_chats_are_an_empty_page() -> None:
    page = page_of([], ChatQuery(offset=50))
    assert (page.rows, page.offset, page.total) == ([], 0, 0)


def test_an_answer_is_no_longer_with_ten_thousand_chats() -> None:
    page = page_of(invented_chats(10_000), ChatQuery(search="chat-a"))
    assert (page.total, page.matching, len(page.rows)) == (10_000, 6666, 50)
