"""A chat is announced in another way while its source gives it up: it is followed as it was announced last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from bridge.announcement import Announcement, encode
from bridge.capture.chat import FOLLOWED, GIVEN_UP
from bridge.capture.following import act
from bridge.capture.inbox import Announced
from bridge.transcript.updates import JoinRefused
from tests.capture.test_session_store import NOW, followed
from tests.capture.virtual_servers import VirtualServers, play
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
