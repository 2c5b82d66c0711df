"""Whose a message is: what names a chat of the link is that chat's, and costs no other chat its COMPLETE."""

from __future__ import annotations

import asyncio
import json

import pytest

from bridge.chatserver.psdk_json import INBOUND_LIMIT
from bridge.errors import Problem
from bridge.transcript.gap_codes import UNREADABLE
from bridge.transcript.input_codes import STRAY, TOO_LONG, UNKNOWN_MESSAGE, UNKNOWN_STATUS, UNREADABLE_EVENT
from bridge.transcript.link_codes import HISTORY_TOO_LONG, WRONG_ANSWER
from bridge.transcript.updates import JoinRefused, LinkDown, QuarantinedInput, TranscriptUpdate, Verdict
from tests.capture.link_harness import CHAT, OTHER, LinkHarness, info, line, message, party
from tests.capture.virtual_servers import VirtualServers, play

A, B = "chat-a:4800", "chat-b:4800"
LONG = "x" * INBOUND_LIMIT
TOO_LONG_DETAIL = f"longer than {INBOUND_LIMIT} bytes"


# --- a history that cannot be read -----------------------------------------------------------------------------------


def test_one_chats_oversized_history_marks_no_other_chat_of_its_link() -> None:
    with LinkHarness(CHAT) as harness:
        harness.announce({"sessionId": OTHER, "host": "chat-1", "port": 4800})
        harness.hears(info(OTHER, message(1, LONG), reference=harness.join(OTHER)))
        [quarantined] = harness.set_aside()
        assert (quarantined["sessionId"], quarantined["code"], quarantined["detail"]) == (
            OTHER,
            TOO_LONG,
            TOO_LONG_DETAIL,
        )
        [refused] = harness.refused
        assert (refused.session_id, refused.verdict, refused.unreadable) == (OTHER, Verdict.RETRY, True)
        assert refused.reason == Problem(HISTORY_TOO_LONG, f"its history is {TOO_LONG_DETAIL}")
        [release] = harness.stream.written.splitlines()[1:]
        assert json.loads(release)["messageName"] == "RequestReleaseParty"
        harness.hears(info(CHAT, message(2), status="Over"))
        assert (harness.certificate()["verdict"], harness.certificate()["unattributed"]) == ("COMPLETE", 0)


def test_an_oversized_history_that_the_end_of_its_link_cuts_off_refuses_its_join() -> None:
    with LinkHarness(CHAT) as harness:
        harness.announce({"sessionId": OTHER, "host": "chat-1", "port": 4800})
        cut_off = line(info(OTHER, message(1, LONG), reference=harness.join(OTHER)))
        harness._run(harness.link.data_received, cut_off)
        harness._run(harness.link.connection_lost, None)
        harness.commit()
        assert [one.session_id for one in harness.refused] == [OTHER]
        assert [one["sessionId"] for one in harness.set_aside()] == [OTHER]
        assert harness.gaps() == []


def test_a_history_that_could_not_be_read_once_is_read_the_next_time_and_leaves_no_trace_in_the_chat() -> None:
    with LinkHarness(CHAT) as harness:
        harness.announce({"sessionId": OTHER, "host": "chat-1", "port": 4800})
        spoilt = line(info(OTHER, message(1), reference=harness.join(OTHER)))[:-1]
        harness.hears(spoilt)
        harness.hears(info(OTHER, message(1), reference=harness.join(OTHER)), info(OTHER, message(2), status="Over"))
        assert harness.ids(OTHER) == [1, 2]
        assert harness.certificate(OTHER)["verdict"] == "COMPLETE"


def test_an_unreadable_line_that_names_a_chat_that_was_left_marks_no_other_chat() -> None:
    with LinkHarness(CHAT, OTHER) as harness:
        harness._run(harness.link.leave, OTHER)
        harness.hears(info(OTHER, message(2, LONG)))
        assert [one["sessionId"] for one in harness.set_aside()] == [OTHER]
        harness.hears(info(CHAT, message(2), status="Over"))
        assert harness.certificate()["verdict"] == "COMPLETE"


def test_a_chat_whose_history_is_too_long_twice_is_given_up_without_thirteen_more_attempts() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(OTHER, A)
        servers[A].histories[CHAT] = LONG
        servers.follow(CHAT, A)
        await asyncio.sleep(300)
        assert [chat for _, chat in servers[A].joins] == [OTHER, CHAT, CHAT]
        [refused] = [one for one in servers.delivered if isinstance(one, JoinRefused)]
        assert (refused.session_id, refused.verdict, refused.unreadable) == (CHAT, Verdict.NEVER, True)
        quarantined = [one for one in servers.delivered if isinstance(one, QuarantinedInput)]
        assert [(one.session_id, one.attributed, one.followed) for one in quarantined] == [(CHAT, False, ())] * 2
        assert servers[A].left == [CHAT, CHAT]
        assert servers.where(OTHER) == A
        assert len(servers[A].connected) == 1

    play(scene())


def test_a_history_that_another_server_tells_in_full_is_taken_from_there() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        servers[A].histories[CHAT] = LONG
        servers.follow(CHAT, A, B)
        await asyncio.sleep(1)
        assert servers.where(CHAT) == B
        servers[B].drops()
        await asyncio.sleep(1)
        assert servers.where(CHAT) == B, "a history that was read in between is no reason to give up"
        assert servers.given_up() == []

    play(scene())


# --- what is not known ------------------------------------------------------------------------------------------------


def test_an_unknown_message_that_names_a_joined_chat_is_quarantined_and_marks_that_chat_only() -> None:
    with LinkHarness(CHAT, OTHER) as harness:
        harness.hears({"messageName": "EventNew", "sessionId": CHAT, "rank": 2**70})
        [quarantined] = harness.set_aside()
        assert (quarantined["sessionId"], quarantined["code"]) == (CHAT, UNKNOWN_MESSAGE)
        assert str(2**70).encode() in quarantined["bytes"]
        assert harness.gaps() == [(None, None, UNREADABLE)]
        for chat, verdict in ((CHAT, "INCOMPLETE"), (OTHER, "COMPLETE")):
            harness.hears(info(chat, message(2), status="Over"))
            assert harness.certificate(chat)["verdict"] == verdict


@pytest.mark.parametrize("transcript", [{}, {"chatTranscript": None}, {"chatTranscript": {"startAt": ""}}])
def test_an_answer_to_a_release_that_has_no_transcript_is_one_and_marks_no_chat(transcript: dict[str, object]) -> None:
    with LinkHarness(CHAT, OTHER) as harness:
        harness._run(harness.link.leave, OTHER)
        reference = json.loads(harness.stream.written.splitlines()[-1])["referenceId"]
        answer = {"messageName": "EventSessionInfo", "sessionStatus": "Over", **transcript}
        harness.hears(answer | {"referenceId": reference})
        assert harness.set_aside() == []
        harness.hears(answer | {"referenceId": reference})  # it answers nothing any more
        assert [(one["sessionId"], one["code"]) for one in harness.set_aside()] == [(None, STRAY)]
        harness.hears(info(CHAT, message(2), status="Over"))
        assert (harness.certificate()["verdict"], harness.certificate()["unattributed"]) == ("COMPLETE", 0)


def test_a_join_that_is_answered_without_a_transcript_is_taken_back_and_tried_again() -> None:
    with LinkHarness(CHAT) as harness:
        harness.announce({"sessionId": OTHER, "host": "chat-1", "port": 4800})
        harness.hears({"messageName": "EventSessionInfo", "referenceId": harness.join(OTHER)})
        [refused] = harness.refused
        assert (refused.session_id, refused.verdict, refused.reason.code) == (OTHER, Verdict.RETRY, WRONG_ANSWER)
        assert json.loads(harness.stream.written.splitlines()[-1])["messageName"] == "RequestReleaseParty"
        harness.hears(info(CHAT, message(2), status="Over"))
        assert (harness.certificate()["verdict"], harness.certificate()["unattributed"]) == ("COMPLETE", 0)


def test_events_without_a_chat_are_still_of_any_chat_of_the_link() -> None:
    with LinkHarness(CHAT) as harness:
        harness.hears({"messageName": "EventSessionInfo", "chatTranscript": {"chatEventList": [message(2)]}})
        assert [one["sessionId"] for one in harness.set_aside()] == [None]
        harness.hears(info(CHAT, message(3), status="Over"))
        assert (harness.certificate()["verdict"], harness.certificate()["unattributed"]) == ("INCOMPLETE", 1)


def test_the_unreadable_events_of_a_message_for_a_chat_that_is_not_joined_are_quarantined_too() -> None:
    with LinkHarness(CHAT) as harness:
        harness.hears(info(OTHER, message(1), message(2, timeShift="soon")))
        kept = [(one["sessionId"], one["code"], one["detail"], json.loads(one["bytes"])) for one in harness.set_aside()]
        assert kept[0][3]["chatTranscript"]["chatEventList"] == [message(1)]
        reason = "chatTranscript.chatEventList[1].timeShift: expected int, got str"
        assert kept[1] == (OTHER, UNREADABLE_EVENT, reason, message(2, timeShift="soon"))
        harness.hears(info(CHAT, message(2), status="Over"))
        assert harness.certificate()["verdict"] == "COMPLETE"


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "1e999", "7" * 5_000])
def test_an_event_with_a_number_beyond_64_bits_is_published_and_its_chat_goes_on(number: str) -> None:
    with LinkHarness(CHAT) as harness:
        data = [{"key": "order", "type": "long", "value": 0}]
        said = line(info(CHAT, message(2, userData=data, mood=0)))
        said = said.replace(b'"value": 0', f'"value": {number}'.encode()).replace(
            b'"mood": 0', f'"mood": {number}'.encode()
        )
        harness.hears(said, said)
        [_, record] = harness.published()
        assert (record["userData"], record["userDataTypes"]) == ({"order": number}, {"order": "long"})
        assert record["unknownAttributes"] == {"mood": number}
        assert harness.set_aside() == []
        assert harness.still_works()


def test_an_unknown_message_with_a_number_beyond_all_limits_is_quarantined_as_it_came_and_the_link_goes_on() -> None:
    with LinkHarness(CHAT) as harness:
        harness.hears(b'{"messageName":"EventNew","a":[1e999,' + b"7" * 5_000 + b"]}")
        [quarantined] = harness.set_aside()
        assert quarantined["bytes"] == b'{"name":"EventNew","fields":{"a":[1e999,' + b"7" * 5_000 + b"]}}"
        assert harness.still_works()


# --- after the end ---------------------------------------------------------------------------------------------------


def updates(servers: VirtualServers, chat: str) -> list[tuple[list[int], bool]]:
    return [
        ([event.event_id for event in one.transcript.chat_event_list], one.over)
        for one in servers.delivered
        if isinstance(one, TranscriptUpdate) and one.session_id == chat
    ]


@pytest.mark.parametrize("forgotten", [False, True], ids=["before the shard has committed the end", "after"])
def test_the_last_events_of_a_chat_are_passed_on_one_by_one_after_its_end(forgotten: bool) -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(CHAT, A)
        servers[A].pushes(CHAT, 1, "Over")
        await asyncio.sleep(1)
        if forgotten:
            servers.manager.forget(CHAT)
        servers[A].pushes(CHAT, 2, "Over")
        servers[A].pushes(CHAT, 3, "Alive")
        await asyncio.sleep(1)
        assert updates(servers, CHAT) == [([], False), ([1], True), ([2], True), ([3], False)]
        assert servers[A].left == []

    play(scene())


def test_what_arrives_for_a_chat_that_was_left_is_not_passed_on() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(CHAT, A)
        servers.manager.forget(CHAT)
        servers[A].pushes(CHAT, 1, "Over")
        await asyncio.sleep(1)
        assert updates(servers, CHAT) == [([], False)]

    play(scene())


def test_a_late_event_of_a_chat_that_is_followed_elsewhere_brings_its_content_and_does_not_end_it() -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        await servers.joined(CHAT, A)
        servers[A].ends(CHAT)
        await asyncio.sleep(1)
        servers.manager.forget(CHAT)
        await servers.joined(CHAT, B)  # announced again
        servers[A].pushes(CHAT, 7, "Over")
        await asyncio.sleep(1)
        assert updates(servers, CHAT)[-1] == ([7], False)
        assert servers.where(CHAT) == B
        assert not [one for one in servers.delivered if isinstance(one, LinkDown)]

    play(scene())


def test_pushes_that_were_held_for_a_join_that_is_refused_reach_the_shard_before_the_refusal() -> None:
    with LinkHarness(CHAT) as harness:
        harness.announce({"sessionId": OTHER, "host": "chat-1", "port": 4800})
        reference = harness.join(OTHER)
        refusal = {"messageName": "EventError", "errorId": 8201, "description": "no", "referenceId": reference}
        harness.hears(info(OTHER, message(5)), info(OTHER, message(6), status="Over"), refusal)
        assert harness.ids(OTHER) == [5, 6]
        assert [one.verdict for one in harness.refused] == [Verdict.GONE]
        assert OTHER in harness.store.chats, "its end cannot be certified without its history"


def test_pushes_that_were_held_for_a_join_whose_link_is_lost_reach_the_shard() -> None:
    with LinkHarness(CHAT) as harness:
        harness.announce({"sessionId": OTHER, "host": "chat-1", "port": 4800})
        harness.join(OTHER)
        harness.hears(info(OTHER, message(5)), info(OTHER, message(6), status="Over"))
        harness.connect()
        assert harness.ids(OTHER) == [5, 6]
        harness.give_up(OTHER)
        assert harness.certificate(OTHER)["verdict"] == "INCOMPLETE"


def test_every_event_of_a_chat_that_is_over_when_it_is_joined_is_published() -> None:
    with LinkHarness(CHAT) as harness:
        harness.announce({"sessionId": OTHER, "host": "chat-1", "port": 4800})
        reference = harness.join(OTHER)
        harness.hears(info(OTHER, message(2)), info(OTHER, party(1), reference=reference, status="Over"))
        assert harness.ids(OTHER) == [1, 2]
        assert harness.certificate(OTHER)["verdict"] == "COMPLETE"


# --- what is told ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("told", "version", "assumed"), [({}, 106, True), ({"clientVersion": 104}, 104, False)])
def test_the_opening_of_a_link_tells_its_version_and_whether_it_is_assumed(
    told: dict[str, object], version: int, assumed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        servers[A].registration = told
        await servers.joined(CHAT, A)
        [update] = [one for one in servers.delivered if isinstance(one, TranscriptUpdate)]
        assert update.version == version

    with caplog.at_level("DEBUG", "bridge"):
        play(scene())
    [opened] = [one for one in caplog.records if one.getMessage() == "link_opened"]
    assert opened.__dict__["fields"] == {"server": A, "version": version, "assumed": assumed}


def test_an_unknown_status_is_quarantined_once_per_chat_and_word_and_marks_nothing() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        await servers.joined(CHAT, A)
        for number, status in enumerate(["Dormant", "Dormant", "alive", "Dormant", "Paused", "OVER"], 1):
            servers[A].pushes(CHAT, number, status)
        await asyncio.sleep(1)
        assert updates(servers, CHAT) == [([], False), *(([number], number == 6) for number in range(1, 7))]
        quarantined = [one for one in servers.delivered if isinstance(one, QuarantinedInput)]
        assert [(one.session_id, one.raw, one.attributed, one.followed) for one in quarantined] == [
            (CHAT, b'{"sessionStatus":"Dormant"}', False, ()),
            (CHAT, b'{"sessionStatus":"Paused"}', False, ()),
        ]
        assert {one.reason.code for one in quarantined} == {UNKNOWN_STATUS}

    play(scene())
