"""Histories longer than a frame, on their links: one is held at a time, and no link is lost or starved over it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

from bridge.chatserver.psdk_json import INBOUND_LIMIT
from bridge.sources.chat_server.history_turn import HistoryTurn
from bridge.transcript.gap_codes import UNREADABLE
from bridge.transcript.input_codes import TOO_LONG
from tests.capture.link_harness import CHAT, OTHER, LinkHarness, info, line, message, party

HISTORY = 8 * INBOUND_LIMIT
TEXT = "x" * 1_000
COUNT = 2_000


def history(chat: str, reference: int, count: int = COUNT, **more: Any) -> bytes:
    """A history of some 2 MiB, with its LF."""
    return (
        line(info(chat, *(message(number, TEXT) for number in range(1, count + 1)), reference=reference, **more))
        + b"\n"
    )


def joining(harness: LinkHarness) -> int:
    """Announce and join OTHER; return the reference."""
    harness.announce({"sessionId": OTHER, "host": "chat-1", "port": 4800})
    return harness.join(OTHER)


def reads(harness: LinkHarness) -> bool:
    """Tell whether its link takes bytes."""
    return harness.stream.reading


def test_a_history_longer_than_a_frame_is_published_whole_and_other_chats_of_its_link_with_it() -> None:
    with LinkHarness(CHAT, history=HISTORY) as harness:
        harness.receives(history(OTHER, joining(harness), status="Over"))
        harness.hears(info(CHAT, message(2)))
        assert harness.ids(OTHER) == list(range(1, COUNT + 1))
        assert harness.certificate(OTHER)["verdict"] == "COMPLETE"
        assert harness.ids() == [1, 2]
        assert harness.still_works()


def test_an_event_longer_than_a_frame_is_set_aside_and_the_others_of_its_history_are_published() -> None:
    with LinkHarness(CHAT, history=HISTORY) as harness:
        large = message(2, "y" * (INBOUND_LIMIT + 1))
        harness.hears(info(OTHER, message(1), large, message(3), reference=joining(harness)))
        assert [one for one in harness.ids(OTHER) if one is not None] == [1, 3]
        assert harness.gaps(OTHER) == [(2, 2, UNREADABLE)]
        [quarantined] = harness.set_aside()
        assert (quarantined["sessionId"], quarantined["code"]) == (OTHER, TOO_LONG)
        assert quarantined["totalBytes"] == len(json.dumps(large))
        assert len(quarantined["bytes"]) == 65_536
        assert harness.still_works()


def test_a_history_that_is_still_arriving_is_neither_silence_nor_a_join_without_an_answer() -> None:
    with LinkHarness(CHAT, history=HISTORY) as harness:
        said = history(OTHER, joining(harness))
        for at in range(0, len(said), 300_000):
            harness.receives(said[at : at + 300_000])
            harness.overdue(9.0)
        assert (harness.refused, harness.lost) == ([], [])
        assert len(harness.ids(OTHER)) == COUNT


def test_a_peer_that_sends_a_history_byte_by_byte_is_silent() -> None:
    with LinkHarness(CHAT, history=HISTORY) as harness:
        said = history(OTHER, joining(harness))
        harness.receives(said[:2_000_000])
        for at in range(2_000_000, 2_000_006):
            harness.receives(said[at : at + 1])
            harness.overdue(9.0)
        assert harness.lost == ["SILENT"]
        harness.commit()
        assert harness.set_aside() == []


def test_the_second_history_waits_until_the_first_is_taken_and_its_link_goes_on_pinging() -> None:
    turn = HistoryTurn()
    with ExitStack() as stack:
        first, second = (stack.enter_context(LinkHarness(CHAT, history=HISTORY, turn=turn)) for _ in range(2))
        one, two = (history(OTHER, joining(harness)) for harness in (first, second))
        first.receives(one[:1_200_000])
        assert reads(first)
        second.receives(two[:1_200_000])
        assert not reads(second)
        for _ in range(5):
            second.stream.written = b""
            second.overdue(40.0)
            assert b"Ping" in second.stream.written
        first.receives(one[1_200_000:])
        assert reads(second)  # the first is no longer held
        second.receives(two[1_200_000:])
        for harness in (first, second):
            harness.commit()
            assert len(harness.ids(OTHER)) == COUNT
            assert (harness.refused, harness.lost) == ([], [])


def test_a_link_that_is_lost_or_closed_or_whose_history_is_too_long_passes_the_turn_on() -> None:
    def is_lost(harness: LinkHarness, _said: bytes) -> None:
        harness._run(harness.link.connection_lost, None)

    def is_closed(harness: LinkHarness, _said: bytes) -> None:
        harness._run(harness.link.close)

    def goes_on_too_long(harness: LinkHarness, said: bytes) -> None:
        harness.receives(said[1_200_000:-10] * 4)

    for happens in (is_lost, is_closed, goes_on_too_long):
        turn = HistoryTurn()
        with ExitStack() as stack:
            first, second = (stack.enter_context(LinkHarness(CHAT, history=HISTORY, turn=turn)) for _ in range(2))
            one, two = (history(OTHER, joining(harness)) for harness in (first, second))
            first.receives(one[:1_200_000])
            second.receives(two[:1_200_000])
            assert not reads(second)
            happens(first, one)
            assert reads(second)
            second.receives(two[1_200_000:])
            second.commit()
            assert len(second.ids(OTHER)) == COUNT


def test_a_history_beyond_the_set_size_refuses_its_join_by_its_code_and_the_link_stays() -> None:
    with LinkHarness(CHAT, history=2 * INBOUND_LIMIT) as harness:
        harness.hears(party(1), history(OTHER, joining(harness))[:-1])
        [refused] = harness.refused
        assert (refused.reason.code, refused.unreadable) == ("HISTORY_TOO_LONG", True)
        assert refused.reason.detail == f"its history is longer than {2 * INBOUND_LIMIT} bytes"
        assert harness.buffered < 3 * INBOUND_LIMIT
        assert harness.still_works()


def test_the_turn_is_free_when_the_events_are_given_up_or_their_shard_ends() -> None:
    class Events:
        """Stands for events that wait."""

    with LinkHarness(CHAT) as harness:
        turn, other = HistoryTurn(), LinkHarness(CHAT)
        events: Any = Events()
        assert turn.keep(harness.link, harness, events)
        assert not turn.ask(other.link)
        turn.abandon(other)
        assert not turn.ask(other.link)
        del events
        assert turn.ask(other.link)
        turn.give_up(other.link)
        kept: Any = Events()
        assert turn.keep(harness.link, harness, kept)
        assert not turn.keep(other.link, other, Events())  # type: ignore[arg-type]
        turn.abandon(harness)
        assert turn.ask(other.link)
        del kept
        assert not turn.ask(harness.link)
        other.__exit__(None, None, None)
