"""What must not end a link for the chats that have nothing to do with it, and what its end must not hide."""

from __future__ import annotations

import asyncio

from bridge.chatserver.psdk_json import INBOUND_LIMIT, OUTBOUND_LIMIT
from bridge.transcript.gap_codes import UNREADABLE
from bridge.transcript.updates import JoinRefused, Verdict
from tests.capture.link_harness import CHAT, OTHER, LinkHarness, info, line, message
from tests.capture.virtual_servers import VirtualServers, play

SERVER = "chat-a:4800"


def test_a_password_longer_than_a_frame_refuses_its_chat_and_keeps_the_others() -> None:
    async def scene() -> None:
        servers = VirtualServers(SERVER)
        await servers.joined("0000EARLIER00001", SERVER)
        servers.follow(CHAT, SERVER, password="p" * OUTBOUND_LIMIT)
        servers.follow(OTHER, SERVER)
        await asyncio.sleep(1)
        assert servers.where(OTHER) == SERVER
        assert servers.where("0000EARLIER00001") == SERVER
        [refused] = [one for one in servers.delivered if isinstance(one, JoinRefused)]
        assert (refused.session_id, refused.verdict) == (CHAT, Verdict.NEVER)
        assert refused.reason.code == "CANNOT_BE_SENT"
        assert "password" in refused.reason.detail
        assert len(servers[SERVER].connected) == 1
        assert [session_id for _, session_id in servers[SERVER].joins] == ["0000EARLIER00001", OTHER]

    play(scene())


def test_a_password_that_fills_a_frame_is_sent() -> None:
    async def scene() -> None:
        servers = VirtualServers(SERVER)
        servers.follow(CHAT, SERVER, password="p" * (OUTBOUND_LIMIT - 400))
        await asyncio.sleep(1)
        assert servers.where(CHAT) == SERVER

    play(scene())


def test_an_overlong_line_that_the_end_of_its_link_cuts_off_is_quarantined_and_leaves_a_gap() -> None:
    with LinkHarness(CHAT) as harness:
        cut_off = line(info(CHAT, message(2, "x" * INBOUND_LIMIT)))
        harness._run(harness.link.data_received, cut_off)
        assert harness.commit().quarantine == []
        harness._run(harness.link.connection_lost, None)
        harness.commit()
        [quarantined] = harness.set_aside()
        assert (quarantined["code"], quarantined["detail"]) == ("TOO_LONG", f"longer than {INBOUND_LIMIT} bytes")
        assert harness.quarantine[0].key == CHAT.encode()
        assert harness.gaps() == [(None, None, UNREADABLE)]
        assert len(harness.lost) == 1


def test_a_short_line_that_the_end_of_its_link_cuts_off_is_left_to_the_next_history() -> None:
    with LinkHarness(CHAT) as harness:
        harness._run(harness.link.data_received, line(info(CHAT, message(2)))[:-5])
        harness._run(harness.link.connection_lost, None)
        assert harness.commit().quarantine == []
        assert harness.gaps() == []
