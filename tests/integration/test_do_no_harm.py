"""P4: chats that are monitored through faults look the same to their participants as the same chats unmonitored."""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bridge.sandbox import LocalBroker
from bridge.simulator.harness.ledger import read_ledger
from bridge.simulator.model.session_parties import can_see
from bridge.transcript.events import AGENT, CLIENT, NEW_PARTY, PARTY_LEFT, VIP, ChatEvent
from tests.support.non_interference import interference
from tests.support.oracle import closed_sessions, compare_with_ledger
from tests.support.processes import Bridge, Simulator, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PREFIX = "harm."
CHATS = {"chats": 60, "mean_events": 50, "think_scale": 0.05, "seed": 77, "finish": 60, "passwords": True}


@pytest.fixture(scope="module")
def own_broker() -> Iterator[LocalBroker]:
    """Give a Kafka that may be paused."""
    with LocalBroker() as broker:
        yield broker


def for_others(events: list[ChatEvent]) -> list[ChatEvent]:
    """Return a chat as it is without its silent monitors.

    Their events are left out with the ids that they took; parties are numbered as they appear, because the server draws
    an id for everybody who registers; times are left out.
    """
    names: dict[str, str] = {}
    shown: list[ChatEvent] = []
    monitors = 0
    for event in events:
        if event.visibility == VIP:
            monitors += 1
            continue
        changes: dict[str, Any] = {"event_id": event.event_id - monitors, "time_shift": 0}
        for name in ("user_id", "receiver_id", "asker_id"):
            party = getattr(event, name)
            if party is not None:
                changes[name] = names.setdefault(party, f"party {len(names)}")
        shown.append(msgspec.structs.replace(event, **changes))
    return shown


def received(events: list[ChatEvent]) -> dict[str, list[ChatEvent]]:
    """Return what each party was sent: the history when it joined, then all events until it left."""
    stays: dict[str, tuple[str, float, float]] = {}
    for at, event in enumerate(events):
        if event.event_type == NEW_PARTY and event.user_info is not None:
            stays[event.user_id] = (event.user_info.user_type, at, math.inf)
        elif event.event_type == PARTY_LEFT:
            user_type, since, _ = stays[event.user_id]
            stays[event.user_id] = (user_type, since, at)
    return {
        user_id: [event for at, event in enumerate(events) if at <= left and can_see(user_type, user_id, event)]
        for user_id, (user_type, _, left) in stays.items()
    }


def unmonitored(folder: Path) -> Path:
    with Simulator(
        folder / "alone.log", folder / "alone.jsonl", concurrent_chats=25, events_per_second=600, **CHATS
    ) as chats:
        summary = chats.summary(110)
        assert summary["requests"] == {}
        assert summary["chats_finished"] == CHATS["chats"]
        return chats.ledger


def monitored(broker: LocalBroker, folder: Path) -> Path:
    """Play the same chats with a bridge that suffers every kind of fault."""

    def bridge() -> Bridge:
        return Bridge(broker.bootstrap_servers, folder / "bridge.log", prefix=PREFIX, worker="worker-1").wait_ready()

    def captures(one: Bridge) -> None:
        before = one.metric("chatbridge_events_total")
        wait_for(lambda: one.metric("chatbridge_events_total") > before + 75, 30, "nothing is captured")

    journal = folder / "watched.journal"
    with (
        bridge() as first,
        Simulator(
            folder / "watched.log",
            folder / "watched.jsonl",
            journal=journal,
            kafka=broker.bootstrap_servers,
            kafka_topic=f"{PREFIX}chat.capture.announcements.v1",
            concurrent_chats=25,
            events_per_second=60,  # slower than the faults: there are events to capture until the last of them
            **CHATS,
        ) as chats,
    ):
        captures(first)
        chats.fault("drop", reset=True)
        captures(first)
        first.kill()
        with bridge() as second:
            captures(second)
            broker.pause()
            wait_for(
                lambda: second.metric("chatbridge_oldest_uncommitted_event_seconds") > 3, 30, "nothing waits for Kafka"
            )
            broker.resume()
            captures(second)
            chats.fault("drop", reset=False)
            captures(second)
            second.send(signal.SIGTERM)
            assert second.wait(40) == 0
        with bridge() as third:
            captures(third)
            summary = chats.summary(110)
            assert summary["chats_finished"] == CHATS["chats"]
            assert summary["caused"]["newParty VIP"] > CHATS["chats"], "nothing was rejoined"
            assert interference([summary], [journal]) == []
            wait_for(
                lambda: len(closed_sessions(broker.bootstrap_servers, PREFIX)) == CHATS["chats"], 60, "no certificate"
            )
            result = compare_with_ledger(broker.bootstrap_servers, PREFIX, chats.ledger)
            assert third.terminate() == 0
    assert result.clean, str(result)
    return chats.ledger


@pytest.mark.timeout(240)
def test_a_chat_is_the_same_for_its_other_parties_whether_the_bridge_is_there_or_not(
    own_broker: LocalBroker, tmp_path: Path
) -> None:
    watched = read_ledger(monitored(own_broker, tmp_path))
    alone = read_ledger(unmonitored(tmp_path))
    assert watched.keys() == alone.keys()
    for session_id, chat in watched.items():
        here, there = for_others(chat.events), for_others(alone[session_id].events)
        assert here == there, session_id
        assert received(here) == received(there)
        assert not any(event.visibility == VIP for event in alone[session_id].events)
        for user_id, events in received(chat.events).items():
            mine = next(e.user_info for e in chat.events if e.event_type == NEW_PARTY and e.user_id == user_id)
            if mine is not None and mine.user_type in {CLIENT, AGENT}:
                assert not any(event.visibility == VIP for event in events), (
                    "a participant was shown the silent monitor"
                )
