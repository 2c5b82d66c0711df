"""Makes a shard's source follow exactly the chats that its store says are followed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from bridge.capture.chat import FOLLOWED

if TYPE_CHECKING:
    from bridge.capture.batch_builder import TransactionPlan
    from bridge.capture.chat import Chat
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


def reconcile(source: Source, store: SessionStore, void_ends: set[str]) -> tuple[int, int]:
    """Follow what only the store follows, forget what only the source does; return how many chats each were.

    A chat whose end the source delivered stays as it is while the store follows it: that input is still to be folded.
    Of `void_ends`, which are taken out, it counts no more: they are followed anew, but for what the source follows again.
    """
    while void_ends:
        source.acknowledge(void_ends.pop())
    before, wanted = set(source.followed), store.followed()
    surplus = before - {chat.session_id for chat in wanted}
    for session_id in surplus:
        source.forget(session_id)
    for chat in wanted:
        follow(source, chat)
    return sum(chat.session_id not in before for chat in wanted), len(surplus)
