"""Which chats are joined where, how many, and under which ClientVersion, is what their servers know."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.capture.virtual_servers import VirtualServers, play

A, B = "chat-a:4800", "chat-b:4800"
CHATS = [f"0000JOIN{number:08}" for number in range(7)]


def agree(servers: VirtualServers) -> int:
    """Compare what is said of the chats that are joined with what their servers know; return their number."""
    manager = servers.manager
    said = {chat: place for chat in CHATS if (place := manager.joined_at(chat)) is not None}
    assert said == {
        chat: name
        for name, server in servers.servers.items()
        for chat, wires in server.watched.items()
        if chat not in server.left and any(not wire.closed for wire in wires)
    }
    joined = len(said)
    assert (manager.chats_joined, sum(manager.client_versions().values())) == (joined, joined)
    uses = manager.places.items()
    assert {name: use.joined for name, use in uses if use.joined} == Counter(said.values())
    return joined


def test_what_is_said_of_the_chats_that_are_joined_agrees_with_their_servers_through_faults() -> None:
    async def scene() -> None:
        seen: set[int] = set()
        servers = VirtualServers(A, B, per_link=2)

        async def watched(seconds: float) -> None:
            for _ in range(int(seconds * 20)):
                await asyncio.sleep(0.05)
                seen.add(agree(servers))

        for chat in CHATS:
            servers.follow(chat, A, B)
        await watched(3)
        servers[A].drops()
        seen.add(agree(servers))
        await watched(20)
        servers[A].dies()
        await watched(20)
        assert agree(servers) == len(CHATS)
        for chat in CHATS[:3]:
            servers.manager.forget(chat)
            seen.add(agree(servers))
        await watched(2)
        assert agree(servers) == len(CHATS) - 3
        await servers.manager.close(leave=True)
        assert agree(servers) == 0
        assert seen >= {0, len(CHATS)}

    play(scene())
