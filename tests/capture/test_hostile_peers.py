"""Servers that answer with other chats or do not read, and hostile announcements."""

from __future__ import annotations

import asyncio
import json

import pytest

from bridge.announcement import MAX_BYTES, MAX_TENANT
from bridge.capture.chat import FOLLOWED, OVER
from bridge.chatserver.memberships import HELD_BYTES
from bridge.sources.chat_server.transport import TcpTransports
from bridge.transcript.updates import Verdict
from tests.capture.hostile_input import STRANGER
from tests.capture.link_harness import OTHER, SERVER, LinkHarness, info, line, message, party


@pytest.mark.parametrize("status", ["Alive", "Over"])
def test_an_answer_with_a_strangers_chat_is_published_under_neither(harness: LinkHarness, status: str) -> None:
    third = "0000ROOM00000003"
    for chat in ("0000ROOM00000004", third):
        harness.announce({"sessionId": chat, "host": "chat-1", "port": 4800})
    reference, third_reference = harness.join("0000ROOM00000004"), harness.join(third)
    published = len(harness.events)
    harness.hears(info(STRANGER, message(77, "not for you"), reference=reference, status=status))
    assert len(harness.events) == published
    [aside] = harness.set_aside()
    assert (aside["code"], aside["detail"]) == ("STRAY", "answer to a join of another chat")
    assert b"not for you" in aside["bytes"]
    assert harness.quarantined() == {"stray": 1}
    [refusal] = harness.refused
    assert (refusal.session_id, refusal.verdict) == ("0000ROOM00000004", Verdict.RETRY)
    # The join is asked again, and everything goes on.
    harness.hears(info("0000ROOM00000004", party(1), reference=harness.join("0000ROOM00000004")))
    harness.hears(info(third, party(1), reference=third_reference))
    assert (harness.ids("0000ROOM00000004"), harness.ids(third)) == ([1], [1])
    assert harness.still_works(OTHER)
    assert harness.still_works()


@pytest.mark.parametrize("status", ["Alive", "Over"])
@pytest.mark.parametrize("chat", [OTHER, "0000ROOM00000003"], ids=["joined", "asked"])
def test_a_push_with_the_reference_of_another_join_belongs_to_its_chat_and_the_join_waits(
    harness: LinkHarness, chat: str, status: str
) -> None:
    third, fourth = "0000ROOM00000003", "0000ROOM00000004"
    for name in (third, fourth):
        harness.announce({"sessionId": name, "host": "chat-1", "port": 4800})
    third_reference, fourth_reference = harness.join(third), harness.join(fourth)
    harness.hears(info(chat, message(77), reference=fourth_reference, status=status))
    harness.hears(info(third, party(1), reference=third_reference))
    harness.hears(info(fourth, party(1), reference=fourth_reference))
    assert (harness.ids(chat), harness.ids(fourth)) == ([1, 77], [1])
    assert (harness.set_aside(), harness.refused) == ([], [])
    assert harness.store.chats[chat].state == (FOLLOWED if status == "Alive" else OVER)
    assert harness.still_works()


def test_a_push_for_a_chat_that_nobody_joined_is_quarantined(harness: LinkHarness) -> None:
    harness.hears(info(STRANGER, message(5)))
    assert [(aside["sessionId"], aside["code"], aside["detail"]) for aside in harness.set_aside()] == [
        (STRANGER, "STRAY", "a chat that was not joined here")
    ]
    assert harness.published(STRANGER) == []
    assert harness.still_works()


@pytest.mark.parametrize("name", ["s" * 900_000, "", "a b", "\0", "é", "\ud800", "x/y"])
def test_a_chat_with_an_impossible_name_is_quarantined_under_the_servers_name(harness: LinkHarness, name: str) -> None:
    harness.hears(info(name, message(5)), {"messageName": "EventNobodyKnows", "sessionId": name})
    assert {(aside["sessionId"], aside["source"]) for aside in harness.set_aside()} == {(None, SERVER)}
    assert {record.key for record in harness.quarantine} == {SERVER.encode()}
    assert harness.still_works()


def test_events_without_end_before_the_answer_to_a_join_are_not_held_without_end(harness: LinkHarness) -> None:
    harness.announce({"sessionId": STRANGER, "host": "chat-1", "port": 4800})
    harness.join(STRANGER)
    push = line(info(STRANGER, message(5, "z" * 500_000)))
    for _ in range(HELD_BYTES // len(push)):
        harness.hears(push)
    assert harness.refused == []
    harness.hears(push)
    assert [(refusal.session_id, refusal.verdict) for refusal in harness.refused] == [(STRANGER, Verdict.RETRY)]
    assert json.loads(harness.stream.written.splitlines()[-1])["messageName"] == "RequestReleaseParty"
    assert harness.set_aside() == []
    assert harness.ids(STRANGER) == [5]  # what was held is not lost with the join
    harness.hears(info(STRANGER, party(1), reference=harness.join(STRANGER)))
    assert harness.ids(STRANGER) == [5, 1]


def test_a_server_that_does_not_read_is_not_listened_to_and_given_up_at_last(harness: LinkHarness) -> None:
    harness.link.pause_writing()
    assert not harness.stream.reading
    harness.link.pause()
    harness.link.resume_writing()
    assert not harness.stream.reading
    harness._run(harness.link.resume)
    assert harness.stream.is_reading()
    harness.link.pause_writing()
    harness.overdue(31).overdue(11)
    assert harness.lost == ["SILENT"]


# --- announcements ---------------------------------------------------------------------------------------------------


def test_an_announcement_that_grows_when_it_is_written_again_is_followed_all_the_same(harness: LinkHarness) -> None:
    raw = line({"sessionId": STRANGER, "host": "chat-1", "port": 4800, "userData": {"@": 0}})
    raw = raw.replace(b'"@": 0', b",".join(b'"%d":1e15' % number for number in range(5_000)))
    assert len(raw) < MAX_BYTES
    harness.announce(raw)
    assert harness.store.chats[STRANGER].state == FOLLOWED
    assert harness.restored().chats[STRANGER].announcement.user_data["4999"] == 1e15


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"sessionId":"' + b"s" * 60_000 + b'","host":"h","port":1}',
        b'{"sessionId":"\\ud800","host":"h","port":1}',
        b'{"sessionId":"a","host":"h","port":' + b"9" * 5_000 + b"}",
        b'{"sessionId":"a","host":"h","port":1,"servers":["h:0000809999999"]}',
        b'{"sessionId":"a","host":"h","port":1,"servers":["h:' + b"1" * 5_000 + b'"]}',
        b'{"sessionId":"a","host":"h","port":1,"tenant":"' + b"t" * (MAX_TENANT + 1) + b'"}',
        b'{"sessionId":"a","host":"h","port":1}' + b" " * MAX_BYTES,
    ],
    ids=lambda raw: f"{raw[:12]!r} {len(raw)}",
)
def test_a_hostile_announcement_goes_to_the_quarantine_and_opens_nothing(harness: LinkHarness, raw: bytes) -> None:
    opened = len(harness.sessions)
    harness.announce(raw)
    assert len(harness.sessions) == opened
    assert b"".join(aside["bytes"] for aside in harness.set_aside()) == raw
    assert harness.quarantined() == {"announcement": 1}
    assert harness.still_works()


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example"])
def test_a_name_that_no_host_can_have_is_a_server_that_cannot_be_reached(host: str) -> None:
    transports = TcpTransports(gateway=None, timeout=5.0, tls=None)

    async def connect() -> None:
        await transports.connect(f"{host}:4800", asyncio.Protocol)

    with pytest.raises(OSError, match="no host has such a name"):
        asyncio.run(connect())
