"""Servers of which no link can be had: what is said of them, from when, and until when."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bridge.transcript import link_codes
from bridge.transcript.updates import JoinRefused
from tests.capture.virtual_servers import VirtualServers, play

if TYPE_CHECKING:
    import pytest

A, B = "chat-a:4800", "chat-b:4800"
CHAT = "0000AWAY00000001"
NO_SUCH_SESSION = 8210
REFUSED = "UNREACHABLE: the server refuses the connection (check that the server runs, and the port)"


def test_a_server_is_named_from_the_third_failed_attempt_until_it_is_reached() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        servers[A].up = False
        servers.follow(CHAT, A)
        await asyncio.sleep(5)
        assert len(servers[A].connected) == 2
        assert servers.manager.unreachable == {}
        await asyncio.sleep(10)
        assert servers.manager.unreachable == {A: f"3 times in a row: {REFUSED}"}
        servers[A].up = True
        await asyncio.sleep(15)
        assert servers.where(CHAT) == A
        assert servers.manager.unreachable == {}

    play(scene())


def test_a_server_that_no_chat_waits_for_is_not_named() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        servers[A].up = servers[B].up = False
        servers.follow(CHAT, A, B)
        await asyncio.sleep(40)
        assert set(servers.manager.unreachable) == {A, B}
        servers[B].up = True
        await asyncio.sleep(15)
        assert servers.where(CHAT) == B
        assert servers.manager.unreachable == {}

    play(scene())


def test_a_chat_that_moves_takes_what_is_said_of_its_server_with_it() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        servers[A].up = False
        servers.follow(CHAT, A)
        await asyncio.sleep(30)
        assert (set(servers.manager.unreachable), servers.manager.has_link) == ({A}, False)
        servers.follow(CHAT, B)  # a fail-over, announced by the site; nobody asks A again
        assert servers.manager.unreachable == {}
        await asyncio.sleep(5)
        assert (servers.where(CHAT), servers.manager.has_link) == (B, True)
        asked = len(servers[A].connected)
        await asyncio.sleep(600)
        assert (len(servers[A].connected), servers.manager.unreachable) == (asked, {})

    play(scene())


def test_a_server_is_not_named_while_another_one_of_its_chats_answers() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        servers[A].up = False
        servers[B].refuses[CHAT] = NO_SUCH_SESSION
        servers.follow(CHAT, A, B)
        await asyncio.sleep(60)
        assert len(servers[A].connected) >= 3
        assert servers.manager.unreachable == {}
        servers[B].dies()
        await asyncio.sleep(60)
        assert set(servers.manager.unreachable) == {A, B}

    play(scene())


def test_a_chat_that_is_given_up_ends_what_is_said_and_says_why() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        servers[A].up = False
        servers.follow(CHAT, A)
        await asyncio.sleep(600)
        [refused] = [one for one in servers.delivered if isinstance(one, JoinRefused)]
        assert str(refused.reason) == REFUSED
        assert servers.manager.unreachable == {}

    play(scene())


def test_a_server_that_never_answers_a_registration_is_named() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        servers[A].mute = True
        servers.follow(CHAT, A)
        await asyncio.sleep(120)
        [said] = servers.manager.unreachable.values()
        assert f" in a row: {link_codes.NOT_REGISTERED}: " in said

    play(scene())


def test_what_is_remembered_of_servers_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        monkeypatch.setattr(servers[A], "up", False)
        servers.follow(CHAT, A)
        await asyncio.sleep(30)
        servers.manager.forget(CHAT)
        await asyncio.sleep(100)
        await servers.joined("0000AWAY00000002", B)
        queues: Any = servers.manager._queues
        assert queues._unreachable._failures == {}

    play(scene())
