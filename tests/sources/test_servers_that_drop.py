"""Servers that answer and drop: what an hour of them costs, who is named, and what the other chats see of it."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from tests.capture.virtual_servers import VirtualServers, play

if TYPE_CHECKING:
    from tests.capture.virtual_servers import Server, VirtualTransport

A, B = "chat-a:4800", "chat-b:4800"
CHAT, OTHER = "0000FLAP00000001", "0000FLAP00000002"
LOGGED_OUT = 8209


def drops_after(server: Server, *messages: str, chat: str | None = None, seconds: float = 0.01) -> None:
    """Let the server drop the link so many seconds after each of these requests (for this chat)."""
    hears = server.hears

    def hears_and_drops(wire: VirtualTransport, request: dict[str, Any]) -> None:
        hears(wire, request)
        if request["messageName"] in messages and chat in (None, request.get("sessionId")):
            asyncio.get_running_loop().call_later(seconds, wire.drops)

    server.hears = hears_and_drops  # type: ignore[method-assign]


def test_an_hour_of_a_server_that_answers_each_join_and_drops_is_fifteen_joins_and_an_end() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        drops_after(servers[A], "RequestJoin")
        servers.follow(CHAT, A)
        await asyncio.sleep(300)
        assert servers.manager.unstable == {A: len(servers[A].joins)}
        await asyncio.sleep(3300)
        times = [at for at, _ in servers[A].joins]
        pauses = [after - at for at, after in itertools.pairwise(times)]
        assert (len(servers[A].connected), len(times), len(servers.seen())) == (15, 15, 15)
        assert servers.given_up() == [(CHAT, 0)]
        assert pauses[:4] == [pytest.approx(pause, rel=0.25, abs=0.1) for pause in (0.5, 10, 20, 40)]
        assert pauses[4:] == [pytest.approx(60, rel=0.25)] * 10
        assert servers.manager.unstable == {}
        assert servers.manager.followed == {CHAT}  # its end is not forgotten yet
        servers.manager.forget(CHAT)
        assert servers.manager.followed == set()

    play(scene())


def test_a_chat_that_is_kept_is_asked_for_once_a_minute_until_its_server_holds_it() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, keep_trying=True)
        hears = servers[A].hears
        drops_after(servers[A], "RequestJoin")
        servers.follow(CHAT, A)
        await asyncio.sleep(3600)
        assert 55 <= len(servers[A].joins) <= 65
        assert len(servers[A].connected) == len(servers[A].joins) == len(servers.seen())
        assert servers.manager.unstable == {A: len(servers[A].joins)}
        assert servers.given_up() == []
        servers[A].hears = hears  # type: ignore[method-assign]
        await asyncio.sleep(73)  # a minute with the highest jitter: it is joined
        assert servers.where(CHAT) == A
        await asyncio.sleep(60)
        assert servers.manager.unstable == {}

    play(scene())


def test_a_chat_that_cannot_be_found_is_kept_when_attempts_do_not_end() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, keep_trying=True)
        servers[A].up = False
        servers.follow(CHAT, A)
        await asyncio.sleep(3600)
        assert servers.given_up() == []
        assert 14 + 50 <= len(servers[A].connected) <= 14 + 70  # D15's pace first, then once a minute
        servers[A].up = True
        await asyncio.sleep(73)
        assert servers.where(CHAT) == A

    play(scene())


@pytest.mark.parametrize("chats", [1, 100])
def test_links_that_die_right_after_the_registration_are_opened_later_and_later(chats: int) -> None:
    async def scene() -> None:
        servers = VirtualServers(A, rate=10, peak=30)
        drops_after(servers[A], "RequestRegister", seconds=0.0)
        for number in range(chats):
            servers.follow(f"0000FLAP{number:08}", A)
        await asyncio.sleep(3600)
        assert len(servers[A].connected) <= 16
        assert len(servers.given_up()) == chats
        assert servers.manager.unstable == {}

    play(scene())


def test_the_attempts_count_anew_after_a_minute_of_watching_and_not_before() -> None:
    async def scene(watched: float, joins: int) -> None:
        servers = VirtualServers(A)
        drops_after(servers[A], "RequestJoin", seconds=watched)
        servers.follow(CHAT, A)
        await asyncio.sleep(3600)
        assert len(servers[A].joins) == joins
        assert servers.given_up() == ([] if watched > 60 else [(CHAT, 0)])
        assert servers.manager.unstable == {}

    play(scene(watched=61, joins=59))  # a short pause each time
    play(scene(watched=59, joins=15))


def test_a_chat_that_its_server_cannot_serve_does_not_take_the_others_of_its_link_with_it() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, rate=10, peak=30)
        chats = [f"0000GOOD{number:08}" for number in range(99)]
        servers.follow(CHAT, A)
        for chat in chats:
            servers.follow(chat, A)
        drops_after(servers[A], "RequestJoin", chat=CHAT, seconds=15)
        await asyncio.sleep(3600)
        assert servers.given_up() == [(CHAT, 0)]
        assert all(servers.where(chat) == A for chat in chats)
        assert len([wire for wire in servers[A].wires if not wire.closed]) < 50
        before = len(servers[A].connected)
        await asyncio.sleep(3600)
        assert len(servers[A].connected) == before

    play(scene())


def test_a_chat_goes_to_the_server_of_its_list_that_holds_it() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        drops_after(servers[A], "RequestJoin")
        servers.follow(CHAT, A, B)
        await asyncio.sleep(1)
        assert servers.where(CHAT) == B
        assert servers.manager.unstable == {}

    play(scene())


def test_a_server_that_dropped_is_not_named_any_more_when_its_chats_are_watched_elsewhere() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        drops_after(servers[A], "RequestJoin")
        servers.follow(CHAT, A)
        await asyncio.sleep(30)
        assert servers.manager.unstable == {A: len(servers[A].joins)}
        servers.follow(CHAT, B)
        await asyncio.sleep(60)
        assert servers.where(CHAT) == B
        await asyncio.sleep(60)
        assert servers.manager.unstable == {}

    play(scene())


def test_a_server_that_was_left_alone_is_named_again_only_if_it_drops_again() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        drops_after(servers[A], "RequestJoin", chat=CHAT)
        servers.follow(CHAT, A)
        await asyncio.sleep(30)
        losses = len(servers[A].joins)
        assert servers.manager.unstable == {A: losses}
        servers.follow(CHAT, B)
        await asyncio.sleep(100)
        assert (servers.where(CHAT), servers.manager.unstable) == (B, {})
        await servers.joined(OTHER, A)
        assert servers.manager.unstable == {}
        [wire] = [one for one in servers[A].wires if not one.closed]
        wire.drops()
        await asyncio.sleep(0.1)
        assert servers.manager.unstable == {A: losses + 1}

    play(scene())


@pytest.mark.parametrize("then", ["refuses it", "is gone", "is not where it was announced"])
def test_a_server_is_not_named_for_a_chat_that_it_dropped_before_and_does_not_take_any_more(then: str) -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B, keep_trying=True)
        hears = servers[A].hears
        drops_after(servers[A], "RequestJoin", chat=CHAT)
        servers.follow(CHAT, A)
        await asyncio.sleep(20)
        assert servers.manager.unstable == {A: 3}
        servers[A].hears = hears  # type: ignore[method-assign]
        if then == "refuses it":
            servers[A].refuses[CHAT] = LOGGED_OUT
        elif then == "is gone":
            servers[A].dies()
        else:
            servers[B].up = False
            servers.follow(CHAT, B)
        await asyncio.sleep(150)
        assert servers.manager.unstable == {}
        assert servers.where(CHAT) is None
        assert CHAT in servers.manager.followed

    play(scene())


def test_a_server_that_drops_a_chat_and_refuses_it_in_turns_is_named_all_the_time() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, keep_trying=True)
        there, hears = servers[A], servers[A].hears

        def hears_in_turns(wire: VirtualTransport, request: dict[str, Any]) -> None:
            drops = len(there.joins) % 2 == 0
            there.refuses = {} if drops else {CHAT: LOGGED_OUT}
            hears(wire, request)
            if drops and request["messageName"] == "RequestJoin":
                asyncio.get_running_loop().call_later(0.01, lambda: wire.logs_out(LOGGED_OUT, CHAT))

        there.hears = hears_in_turns  # type: ignore[method-assign]
        servers.follow(CHAT, A)
        while not servers.manager.unstable:  # noqa: ASYNC110 - in virtual time
            await asyncio.sleep(1)
        named = []
        for _ in range(900):
            await asyncio.sleep(1)
            named.append(servers.manager.unstable.get(A, 0))
        assert named == sorted(named)
        assert named[-1] > named[0] + 5

    play(scene())


def test_a_chat_that_is_logged_out_each_time_is_joined_again_later_and_later() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(OTHER, A)
        hears = servers[A].hears

        def logs_out(wire: VirtualTransport, request: dict[str, Any]) -> None:
            hears(wire, request)
            if request["messageName"] == "RequestJoin":
                chat = request["sessionId"]
                asyncio.get_running_loop().call_later(0.01, lambda: wire.logs_out(LOGGED_OUT, chat))

        servers[A].hears = logs_out  # type: ignore[method-assign]
        servers.follow(CHAT, A)
        await asyncio.sleep(300)
        assert servers.manager.unstable == {A: servers.away().count(CHAT)}
        await asyncio.sleep(3300)
        assert (servers.away().count(CHAT), servers.given_up()) == (15, [(CHAT, 0)])
        assert servers[A].left.count(CHAT) == 15
        assert (servers.away().count(OTHER), servers.where(OTHER)) == (0, A)

    play(scene())


def test_being_logged_out_of_a_connection_is_the_absence_of_all_its_chats() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(OTHER, A)
        await servers.joined(CHAT, A)
        [wire] = servers[A].wires
        wire.logs_out(LOGGED_OUT, None)
        await asyncio.sleep(1)
        assert sorted(servers.away()) == [CHAT, OTHER]
        assert wire.closed
        assert (servers.where(CHAT), servers.where(OTHER), len(servers[A].connected)) == (A, A, 2)
        assert 'chatbridge_links_lost_total{reason="logged_out"} 1.0' in servers.telemetry.render().decode()

    play(scene())


def test_the_links_that_were_opened_for_few_chats_are_closed_when_these_have_left() -> None:
    async def scene() -> None:
        servers, chats = VirtualServers(A), [f"0000MANY{number:08}" for number in range(30)]
        for chat in chats:
            servers.follow(chat, A)
        await asyncio.sleep(1)
        for _ in range(6):
            for chat in chats:
                for wire in servers[A].watched.pop(chat, []):
                    wire.logs_out(LOGGED_OUT, chat)
            await asyncio.sleep(30)
        await asyncio.sleep(600)
        assert all(servers.where(chat) == A for chat in chats)
        in_use = servers.manager.connections
        assert in_use > 2
        for chat in chats:
            servers.manager.forget(chat)
        await asyncio.sleep(30)
        assert servers.manager.connections == in_use  # last events may still be on the way
        await asyncio.sleep(120)
        assert servers.manager.connections <= 1  # that for all chats to come
        await servers.joined(CHAT, A)
        await servers.manager.close(leave=True)
        assert servers.manager.connections == 0

    play(scene())
