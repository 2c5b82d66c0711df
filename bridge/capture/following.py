"""Makes a shard's source follow exactly the chats that its store says are followed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from bridge.capture.chat import FOLLOWED, GIVEN_UP
from bridge.capture.inbox import Announced, StillWatched

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.capture.batch_builder import TransactionPlan
    from bridge.capture.chat import Chat
    from bridge.capture.inbox import Input
    from bridge.capture.ports import Source
    from bridge.capture.session_store import SessionStore


def follow(source: Source, chat: Chat) -> None:
    """Tell the source of a chat, or what a newer announcement says of it."""
    told = chat.announcement
    source.follow(chat.session_id, _same(tuple(told.places())), told.password)


@lru_cache(maxsize=1024)
def _same(places: tuple[str, ...]) -> tuple[str, ...]:
    """Return the places that are equal, as other chats have them."""
    return places


def act(source: Source, plan: TransactionPlan) -> None:
    """Tell the source what a fold decided; that it is repeated after a failed commit ends nothing that it began."""
    followed = [chat for chat in plan.follow if chat.state == FOLLOWED]
    anew = plan.ended.intersection(chat.session_id for chat in followed)
    for session_id in plan.forget:  # first: a chat that was given up may be announced again in the same batch
        if session_id in anew:
            source.acknowledge(session_id)
        else:
            source.forget(session_id)
    for chat in followed:
        follow(source, chat)


def still_watched(
    source: Source, store: SessionStore, held: Iterable[Input], taken_back: set[str], now: int
) -> list[StillWatched]:
    """Return the chats that the source watches and another owner gave up, at `now` in us since 1970 UTC.

    They are added to `taken_back`. A chat that is announced by one of the inputs that are `held` is not among them: it
    was joined for that, and is followed once that is folded.
    """
    announced = {one.announcement.session_id for one in held if isinstance(one, Announced) and one.announcement}
    found: list[StillWatched] = []
    for session_id in source.followed:
        chat = store.chats.get(session_id)  # None of one that is packed, as many that were given up
        if (chat is None or chat.state == GIVEN_UP) and session_id not in announced and source.joined_at(session_id):
            found.append(StillWatched(session_id, now))
    taken_back.update(one.session_id for one in found)
    return found


def reconcile(source: Source, store: SessionStore, void_ends: set[str], taken_back: set[str]) -> tuple[int, int]:
    """Follow what only the store follows, forget what only the source does; return how many chats each were.

    A chat whose end the source delivered stays as it is while the store follows it: that input is still to be folded.
    Of `void_ends` it counts no more: they are followed anew, unless the source does so already. Of `taken_back`, joined
    here while another owner gave them up, a new history tells what came meanwhile. Both are emptied.
    """
    while void_ends:
        source.acknowledge(void_ends.pop())
    before, wanted = set(source.followed), store.followed()
    own = {chat.session_id for chat in wanted}
    surplus, anew = before - own, own & taken_back
    taken_back.clear()
    for session_id in surplus | anew:
        source.forget(session_id)
    for chat in wanted:
        follow(source, chat)
    return len(own - before | anew), len(surplus)
