"""The administrator's pause: no join is sent, chats wait, what is joined goes on, and later all are joined."""

from __future__ import annotations

import asyncio

from tests.capture.virtual_servers import VirtualServers, play

A = "chat-1:4800"
OLD, NEW, LOST = "0000SIMA00000001", "0000SIMA00000002", "0000SIMA00000003"


def test_while_joins_are_paused_chats_wait_and_joined_ones_stay_until_it_goes_on() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(OLD, A)
        servers.rate_limiter.pause()
        servers.follow(NEW, A)
        await asyncio.sleep(300)
        assert (servers.where(OLD), servers.where(NEW)) == (A, None)
        assert (len(servers[A].joins), servers.rate_limiter.waiting) == (1, 1)
        assert servers.manager.connections == 1
        servers.rate_limiter.resume()
        await asyncio.sleep(1)
        assert (servers.where(OLD), servers.where(NEW), servers.rate_limiter.waiting) == (A, A, 0)

    play(scene())


def test_a_chat_whose_connection_is_lost_meanwhile_waits_and_opens_none() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(LOST, A)
        servers.rate_limiter.pause()
        servers[A].wires[0].drops()
        await asyncio.sleep(600)
        assert (len(servers[A].wires), servers.rate_limiter.waiting) == (1, 1)
        servers.rate_limiter.resume()
        await asyncio.sleep(60)
        assert servers.where(LOST) == A

    play(scene())


def test_a_join_that_waits_for_its_turn_when_joins_are_paused_is_not_sent() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, rate=0.1, peak=1.0)
        for number in range(3):
            servers.follow(f"0000SIMA0000001{number}", A)
        await asyncio.sleep(1)
        sent = len(servers[A].joins)
        servers.rate_limiter.pause()
        await asyncio.sleep(100)
        assert (len(servers[A].joins), servers.rate_limiter.waiting) == (sent, 3 - sent)
        servers.rate_limiter.resume()
        await asyncio.sleep(100)
        assert len(servers[A].joins) == 3

    play(scene())


def test_the_budget_is_what_may_be_joined_at_once_and_comes_back() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, rate=1.0, peak=5.0)
        assert servers.rate_limiter.budget == 4
        for number in range(3):
            servers.follow(f"0000SIMA0000001{number}", A)
        await asyncio.sleep(0.5)
        assert servers.rate_limiter.budget == 1
        await asyncio.sleep(10)
        assert servers.rate_limiter.budget == 4

    play(scene())
