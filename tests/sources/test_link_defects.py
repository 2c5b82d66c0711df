"""Defects of the bridge in a link or a queue: what they end, what they say, and what they leave alone."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from bridge.logs import JsonLines
from bridge.telemetry import Telemetry
from bridge.transcript import link_codes
from bridge.transcript.updates import LinkDown, TranscriptUpdate
from tests.capture.virtual_servers import VirtualServers, play

if TYPE_CHECKING:
    from bridge.sources.chat_server.link import Link
    from bridge.transcript.updates import Update

A, B = "chat-a:4800", "chat-b:4800"
CHAT, OTHER = "0000DEFECT000001", "0000DEFECT000002"
WRITTEN = "what a customer wrote"


class Defect(Exception):
    """No class of the bridge's."""


def fails(*_: Any, **__: Any) -> NoReturn:
    raise Defect(WRITTEN)


def logged(servers: VirtualServers) -> io.StringIO:
    """Log the facts of the session manager."""
    log = io.StringIO()
    logger = logging.Logger("bridge.defects")  # noqa: LOG001 - one for each test
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonLines())
    logger.addHandler(handler)
    servers.telemetry = servers.manager._telemetry = Telemetry(logger)
    return log


def link_of(servers: VirtualServers, server: str) -> Link:
    [wire] = servers[server].wires
    return wire.link  # type: ignore[return-value]


@pytest.mark.parametrize("where", ["decoding", "conversation", "timer", "end"])
def test_a_defect_ends_its_link_with_a_reason_of_its_own_and_its_chats_are_joined_again(where: str) -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        log = logged(servers)
        await servers.joined(CHAT, A)
        await servers.joined(OTHER, B)
        link = link_of(servers, A)
        servers[A].wires.clear()
        if where == "decoding":
            link._wire.feed = fails  # type: ignore[method-assign]
            servers[A].wires += [link._transport]  # type: ignore[list-item]
            servers[A].pushes(CHAT, 1, "Alive")
        elif where == "conversation":
            link._conversation.receive = fails  # type: ignore[method-assign]
            servers[A].wires += [link._transport]  # type: ignore[list-item]
            servers[A].pushes(CHAT, 1, "Alive")
        elif where == "timer":
            link._conversation.on_timer = fails  # type: ignore[method-assign]
            await asyncio.sleep(30)
        else:
            link._conversation.closed = fails  # type: ignore[method-assign]
            link.connection_lost(None)
        await asyncio.sleep(1)
        [down] = [one for one in servers.delivered if isinstance(one, LinkDown)]
        assert (down.session_id, down.reason.code) == (CHAT, link_codes.INTERNAL)
        assert (servers.where(CHAT), servers.where(OTHER)) == (A, B)
        assert len(servers[B].connected) == 1
        assert servers.defects == []
        assert servers.manager.connections == 2
        lines = [json.loads(one) for one in log.getvalue().splitlines()]
        [failed] = [one for one in lines if one["event"] == "link_failed"]
        assert (failed["server"], failed["error"], failed["level"]) == (A, "Defect", "error")
        assert failed["at"][-1].endswith(" fails")
        assert WRITTEN not in log.getvalue()
        assert 'chatbridge_links_lost_total{reason="internal"} 1.0' in servers.telemetry.render().decode()

    play(scene())


def test_a_defect_of_the_owner_ends_the_link_that_met_it() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        await servers.joined(CHAT, A)
        await servers.joined(OTHER, B)
        deliver = servers.manager._deliver

        def fails_once(update: Update, size: int) -> None:
            servers.manager._deliver = deliver
            assert isinstance(update, TranscriptUpdate)
            fails(size)

        servers.manager._deliver = fails_once
        servers[A].pushes(CHAT, 1, "Alive")
        await asyncio.sleep(1)
        assert (servers.away(), servers.where(CHAT), servers.where(OTHER)) == ([CHAT], A, B)

    play(scene())


def test_a_chat_whose_input_meets_a_defect_each_time_is_given_up() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        make = servers.manager._queues._make_link

        def defective(server: str) -> Link:
            link = make(server)
            link._conversation._session_info = fails  # type: ignore[method-assign]
            return link

        servers.manager._queues._make_link = defective
        servers.follow(CHAT, A)
        await asyncio.sleep(3600)
        assert (servers.given_up(), len(servers[A].joins)) == ([(CHAT, 0)], 15)

    play(scene())


def test_a_defect_that_ends_the_task_of_a_queue_is_reported_at_once() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        servers.rate_limiter.take = fails  # type: ignore[method-assign]
        servers.follow(CHAT, A)
        await asyncio.sleep(0.1)
        assert [type(error) for error in servers.defects] == [Defect]
        await servers.manager.close(leave=True)
        assert servers.manager.connections == 0
        assert len(servers.defects) == 1

    play(scene())


def test_what_a_peer_does_not_read_is_bounded() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        await servers.joined(CHAT, A, B)
        [wire] = servers[A].wires
        servers[A].deaf = True
        for _ in range(40_000):
            wire._says(b'{"messageName":"Ping","referenceId":7}\n')
        assert 1 << 20 < len(wire.unsent) < (1 << 20) + 1000
        await asyncio.sleep(0.1)
        [down] = [one for one in servers.delivered if isinstance(one, LinkDown)]
        assert down.reason.code == link_codes.UNSENT_BYTES
        assert servers.where(CHAT) == B
        await asyncio.sleep(2)
        assert wire.closed
        assert servers.manager.connections == 1
        assert 'chatbridge_links_lost_total{reason="unsent_bytes"} 1.0' in servers.telemetry.render().decode()

    play(scene())


def test_close_leaves_all_chats_at_once_and_returns_when_every_connection_is_closed() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        await servers.joined(CHAT, A)
        await servers.joined(OTHER, B)
        [deaf], [hearing] = servers[A].wires, servers[B].wires
        servers[A].deaf = True
        closing = asyncio.get_running_loop().create_task(servers.manager.close(leave=True))
        await asyncio.sleep(0)
        assert servers[B].left == [OTHER]
        assert b"RequestReleaseParty" in deaf.unsent
        began = servers.clock.monotonic()
        await closing
        assert servers.clock.monotonic() - began == pytest.approx(2.0)
        assert deaf.closed
        assert hearing.closed
        assert servers.manager.connections == 0
        before = len(servers.delivered)
        await servers.manager.close(leave=True)
        assert len(servers.delivered) == before

    play(scene())


def test_close_ends_a_connection_that_is_being_opened() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        servers.follow(CHAT, A)
        await asyncio.sleep(0.0005)
        assert servers.manager.connections == 1
        await servers.manager.close(leave=True)
        assert servers.manager.connections == 0
        await asyncio.sleep(1)
        assert servers[A].wires == []

    play(scene())
