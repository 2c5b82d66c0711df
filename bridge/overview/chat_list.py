"""Which chats the status page shows: searched, sorted, and one page of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from bridge.overview.worker_report import ChatPage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bridge.overview.worker_report import ChatView

JOINED: Final = "joined"
WAITING: Final = "waiting"
GIVEN_UP: Final = "given_up"
STORED: Final = "stored"
"""Known from stored transcripts only, and not over."""
OVER: Final = "over"
CHAT_STATES: Final = (GIVEN_UP, WAITING, JOINED, STORED, OVER)
"""In the order in which they are sorted: what needs a look comes first."""

SortKey = Literal["chat", "shard", "state", "server", "age", "records", "gaps"]
_RANK: Final = {state: rank for rank, state in enumerate(CHAT_STATES)}
_NEVER: Final = 1 << 62
_KEYS: Final[dict[SortKey, Callable[[ChatView], tuple[int | str, str]]]] = {
    "chat": lambda one: (0, one.session_id),
    "shard": lambda one: (one.shard, one.session_id),
    "state": lambda one: (_RANK[one.state], one.session_id),
    "server": lambda one: (one.server, one.session_id),
    "age": lambda one: (-one.started_at if one.started_at is not None else -_NEVER, one.session_id),
    "records": lambda one: (one.records, one.session_id),
    "gaps": lambda one: (one.gaps, one.session_id),
}
SORT_KEYS: Final = tuple(_KEYS)


@dataclass(slots=True, frozen=True, kw_only=True)
class ChatQuery:
    """Which chats are wanted. `search`: a part of the id or of the server, in any case; `state` "" is any."""

    search: str = ""
    state: str = ""
    sort: SortKey = "state"
    descending: bool = False
    offset: int = 0
    limit: int = 50


def page_of(chats: Sequence[ChatView], query: ChatQuery) -> ChatPage:
    """Return the page. An offset beyond the last one gives the last page."""
    wanted = query.search.lower()
    found = [
        one
        for one in chats
        if (not query.state or one.state == query.state)
        and (not wanted or wanted in one.session_id.lower() or wanted in one.server.lower())
    ]
    found.sort(key=_KEYS[query.sort], reverse=query.descending)
    last = max(len(found) - 1, 0) // query.limit * query.limit
    offset = min(query.offset, last)
    return ChatPage(
        total=len(chats),
        matching=len(found),
        offset=offset,
        limit=query.limit,
        rows=found[offset : offset + query.limit],
    )
