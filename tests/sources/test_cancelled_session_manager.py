"""The session manager and the join rate limiter, cancelled wherever they can be, with real links on virtual servers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from bridge.sources.chat_server.join_rate_limiter import JoinRateLimiter
from tests.capture.virtual_servers import VirtualServers, VirtualTransport, play
from tests.support.cancellation import cancelled_everywhere

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.cancellation import Attempt

CHATS = [f"0000STOP0000000{number}" for number in range(3)]
A, B = "chat-a:4800", "chat-b:4800"


def all_closed(servers: VirtualServers) -> bool:
    return all(wire.closed for server in servers.servers.values() for wire in server.wires)


async def close(servers: VirtualServers, *, leave: bool) -> None:
    joined = [(chat, servers.where(chat)) for chat in CHATS]
    try:
        await servers.manager.close(leave=leave)
    finally:
        assert all_closed(servers)
        assert [task for task in asyncio.all_tasks() if task.get_name().startswith("queue")] == []
        assert servers.rate_limiter.waiting == 0
        for chat, place in joined:
            assert place is None or (chat in servers[place].left) == leave


@pytest.mark.parametrize("leave", [True, False])
def test_a_session_manager_is_closed_wherever_following_joining_and_reconnecting_are_cancelled(*, leave: bool) -> None:
    async def life(servers: VirtualServers) -> None:
        try:
            for chat in CHATS:
                servers.follow(chat, A, B)
            await asyncio.sleep(0.5)
            servers[A].dies()
            await asyncio.sleep(0.5)
            servers[B].drops()
            await asyncio.sleep(1)
            servers[B].dies()
            servers[A].up = True
            await asyncio.sleep(12)
        finally:
            await close(servers, leave=leave)

    async def scene(attempt: Attempt) -> None:
        servers = VirtualServers(A, B, per_link=2, rate=10.0, peak=11.0)
        await attempt.outcome(life(servers), seconds=1)
        assert all_closed(servers)

    assert cancelled_everywhere(scene) > 50


def test_a_connection_that_ends_unsaid_because_its_making_was_cancelled_is_not_waited_for() -> None:
    class Unsaid(VirtualServers):
        """As uvloop: cancelled in the turn in which the connection is made, `connect` ends it and tells nobody."""

        async def connect(self, server: str, factory: Callable[[], asyncio.Protocol]) -> None:
            link = factory()
            wire = VirtualTransport(self[server], link)
            try:
                await asyncio.sleep(60)
            finally:
                for call in ("close", "abort"):
                    setattr(wire, call, lambda: None)
                link.connection_made(wire)

    async def scene() -> None:
        servers = Unsaid(A)
        servers.follow(CHATS[0], A)
        await asyncio.sleep(0.5)
        async with asyncio.timeout(5):
            await close(servers, leave=True)

    play(scene())


def test_a_close_of_a_session_manager_that_is_cancelled_closes_everything_first() -> None:
    async def scene(attempt: Attempt) -> None:
        servers = VirtualServers(A, B, per_link=1, rate=10.0, peak=11.0)
        for chat in CHATS:
            servers.follow(chat, A, B)
        await asyncio.sleep(0.15)  # one is joined, one is about to be, one has no link
        await attempt.outcome(close(servers, leave=True), seconds=1)

    cancelled_everywhere(scene)


@pytest.mark.parametrize("kind", ["drops", "logs out", "is deaf"])
def test_a_session_manager_is_closed_wherever_it_is_cancelled_at_servers_that_do_not_hold_its_chats(kind: str) -> None:
    async def life(servers: VirtualServers) -> None:
        hears = servers[A].hears

        def does_harm(wire: VirtualTransport, request: dict[str, Any]) -> None:
            hears(wire, request)
            if request["messageName"] == "RequestJoin" and kind == "drops":
                asyncio.get_running_loop().call_soon(wire.drops)
            elif request["messageName"] == "RequestJoin" and kind == "logs out":
                wire.logs_out(8209, request["sessionId"])
            elif request["messageName"] == "RequestJoin":
                servers[A].deaf = True

        servers[A].hears = does_harm  # type: ignore[method-assign]
        try:
            for chat in CHATS:
                servers.follow(chat, A)
            await asyncio.sleep(100)
        finally:
            try:
                await servers.manager.close(leave=True)
            finally:
                assert all_closed(servers)
                assert servers.manager.connections == 0
                assert [task for task in asyncio.all_tasks() if task.get_name().startswith("queue")] == []

    async def scene(attempt: Attempt) -> None:
        servers = VirtualServers(A, B, per_link=2, rate=10.0, peak=11.0)
        await attempt.outcome(life(servers), seconds=2)
        assert all_closed(servers)

    assert cancelled_everywhere(scene) > 10


def test_a_link_that_is_connected_after_it_was_closed_closes_its_connection() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        link = servers._link(A, servers.manager)
        link.close()
        await servers.connect(A, lambda: link)
        [wire] = servers[A].wires
        assert wire.closed
        assert wire.written == 0

    play(scene())


def test_a_wait_for_the_rate_of_joins_can_be_cancelled_and_leaves_no_timer() -> None:
    async def joins(limiter: JoinRateLimiter) -> None:
        for _ in range(5):
            await limiter.take(A)

    async def scene(attempt: Attempt) -> None:
        limiter = JoinRateLimiter(1.0, 2.0, VirtualServers(A).clock, lambda: 1.0)
        await attempt.outcome(joins(limiter), seconds=0)
        assert limiter.waiting == 0

    assert cancelled_everywhere(scene) == 3 * 4
