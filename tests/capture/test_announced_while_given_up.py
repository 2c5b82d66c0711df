"""A chat is announced in another way while its source gives it up: it is followed as it was announced last, once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.announcement import Announcement, encode
from bridge.capture.chat import FOLLOWED, GIVEN_UP
from bridge.capture.following import act, reconcile
from bridge.capture.inbox import Announced
from bridge.transcript.updates import JoinRefused, Verdict
from tests.capture.test_session_store import NOW, followed
from tests.capture.virtual_servers import VirtualServers, play
from tests.support.reasons import A_REFUSAL
from tests.transcript.build import CHAT

if TYPE_CHECKING:
    from bridge.capture.inbox import Input

A, B = "chat-1:4800", "chat-2:4800"


def announced(host: str, password: str | None) -> Announced:
    told = Announcement(session_id=CHAT, host=host, port=4800, password=password)
    return Announced(1, encode(told), CHAT.encode(), told, observed_at=NOW)


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize(
    ("host", "password", "state"),
    [("chat-2", None, FOLLOWED), ("chat-1", "another", FOLLOWED), ("chat-1", None, GIVEN_UP)],
)
def test_an_announcement_before_the_give_up_counts(batches: int, host: str, password: str | None, state: str) -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        servers[A].up = False
        store = followed()
        servers.follow(CHAT, A)
        while not (refused := [one for one in servers.delivered if isinstance(one, JoinRefused)]):  # noqa: ASYNC110
            await asyncio.sleep(1)
        inputs: list[Input] = [announced(host, password), *refused]
        for batch in [inputs] if batches == 1 else [[one] for one in inputs]:
            act(servers.manager, store.fold(batch, NOW))
        assert store.chats[CHAT].state == state
        servers[A].up = True
        await asyncio.sleep(30)
        assert servers.where(CHAT) == (None if state == GIVEN_UP else f"{host}:4800")

    play(scene())


@pytest.mark.parametrize("announced_first", [True, False])
def test_a_give_up_that_is_folded_again_ends_nothing_that_was_begun_anew(announced_first: bool) -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        servers[A].up = False
        servers.follow(CHAT, A)
        while not (refused := [one for one in servers.delivered if isinstance(one, JoinRefused)]):  # noqa: ASYNC110
            await asyncio.sleep(1)
        elsewhere: list[Input] = [announced("chat-2", None)]
        inputs = [*elsewhere, *refused] if announced_first else [*refused, *elsewhere]
        for _ in range(3):  # two commits fail: each time, another store is restored, and the same inputs are folded
            store = followed()
            act(servers.manager, store.fold(inputs, NOW))
            assert store.chats[CHAT].state == FOLLOWED
            await asyncio.sleep(30)
            assert servers.where(CHAT) == B
        assert (len(servers[B].joins), servers[B].left) == (1, [])

    play(scene())


def test_a_give_up_of_a_chat_that_stays_given_up_ends_what_is_followed() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        store = followed()
        await servers.joined(CHAT, A)
        refused = JoinRefused(CHAT, 0, A_REFUSAL, Verdict.NEVER, NOW, asked=((A,), None))
        act(servers.manager, store.fold([refused], NOW))
        await asyncio.sleep(1)
        assert (store.chats[CHAT].state, servers.where(CHAT), servers[A].left) == (GIVEN_UP, None, [CHAT])

    play(scene())


def test_a_password_with_which_it_was_asked_for_is_not_shown() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        servers[A].up = False
        servers.manager.follow(CHAT, (A,), "a secret")
        await asyncio.sleep(3600)
        [refused] = [one for one in servers.delivered if isinstance(one, JoinRefused)]
        assert refused.asked == ((A,), "a secret")
        assert "a secret" not in repr(refused)

    play(scene())


def test_a_give_up_that_counts_no_more_ends_nothing_that_was_begun_anew() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(CHAT, A)
        void_ends = {CHAT}
        assert (reconcile(servers.manager, followed(), void_ends, set()), void_ends) == ((0, 0), set())
        await asyncio.sleep(30)
        assert (servers.where(CHAT), len(servers[A].joins), servers[A].left) == (A, 1, [])

    play(scene())
