"""A link that cannot take another request ends: also when that is the request to leave a chat."""

from __future__ import annotations

import asyncio

from bridge.sources.chat_server.link_problems import UNSENT_BYTES
from tests.capture.virtual_servers import VirtualServers, play

A, B, C = "chat-a:4800", "chat-b:4800", "chat-c:4800"
CHAT, OTHER = "0000ROOM00000001", "0000ROOM00000002"
LAST_ATTEMPT = 14


async def without_room(servers: VirtualServers) -> None:
    """Have a chat joined at A, on a link that takes no more."""
    await servers.joined(CHAT, A)
    [wire] = servers[A].wires
    wire.server.deaf = True
    wire.unsent = b"x" * (UNSENT_BYTES + 1)


def test_no_chat_is_given_up_because_the_source_is_closed() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, rate=0.02, peak=0.03)  # the other one waits for its join
        await without_room(servers)
        servers.follow(OTHER, A)
        await asyncio.sleep(1)
        session = servers.manager._sessions[OTHER]
        assert session.queue is not None
        session.attempt = LAST_ATTEMPT
        before = len(servers.delivered)
        await servers.manager.close(leave=True)
        assert servers.delivered[before:] == []

    play(scene())


def test_a_chat_that_is_announced_elsewhere_is_absent_once_and_joined_at_the_first_place() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B, C)
        await without_room(servers)
        servers.follow(CHAT, B, C)
        await asyncio.sleep(5)
        assert servers.where(CHAT) == B
        assert len(servers.away()) == 1
        assert servers.given_up() == []

    play(scene())
