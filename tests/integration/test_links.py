"""Recovery from faults of links, servers and joins, compared with the simulator's ledger."""

from __future__ import annotations

import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from bridge.transcript.completeness import EXPECTED_CLASSES
from bridge.transcript.gap_codes import NEVER_JOINED, OUT_OF_REACH, OVER_WHILE_AWAY
from tests.integration.e2e_environment import (
    ENDLESS_CHAT,
    FIGURES,
    JITTER,
    SHORT_LINK_TIMEOUTS,
    AnnouncementCollector,
    E2EEnvironment,
    all_joined,
    captured,
    followed,
    forgotten,
    gap_codes,
    joins,
    journal_lines,
    most_within,
)
from tests.support.processes import Bridge, Simulator, wait_for

if TYPE_CHECKING:
    from pathlib import Path

UNHEARD_OF = 8999


@pytest.fixture
def environment(broker: str, tmp_path: Path) -> E2EEnvironment:
    return E2EEnvironment(broker, tmp_path, **SHORT_LINK_TIMEOUTS).prepare()


def running(bridge: Bridge, chats: Simulator, count: int = 10) -> None:
    """Wait until all chats are joined and something was captured."""
    bridge.wait_ready()
    before = captured(bridge)
    wait_for(lambda: all_joined(bridge, count) and captured(bridge) > before + 50, 30, "the chats are not captured")
    assert chats.running


def wait_all_rejoined(bridge: Bridge, count: int = 10) -> None:
    wait_for(lambda: all_joined(bridge, count), 60, lambda: f"not joined again: {followed(bridge)}")


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "found by the server list"])
def test_chats_go_on_at_another_server_after_a_fail_over(environment: E2EEnvironment, announced: bool) -> None:
    with environment.bridge() as bridge, environment.chats(standby=True) as chats:
        running(bridge, chats)
        heir = chats.fault("fail-over", announce=announced, loseLast=3)["listening"]
        wait_for(lambda: {chat["server"] for chat in followed(bridge)} == {heir}, 30, "not all chats are at the heir")
        assert bridge.metric("chatbridge_links_lost_total", reason="reset") >= 1
        wait_for(lambda: bridge.metric("chatbridge_resumptions_total") == 10, 30, "not every chat has a RESUMED record")
        wait_for(
            lambda: bridge.metric("chatbridge_oldest_uncommitted_event_seconds") < 5, 30, "events stay uncommitted"
        )
        result = environment.finish(chats)
        assert result.kinds["RESUMED"] == 10
        assert result.kinds["GAP"] == bridge.metric("chatbridge_gaps_total", reason="not_in_replay")
    for record in environment.records("events"):
        if record["kind"] == "RESUMED":
            assert record["session"]["server"] == heir
    assert {record["session"]["server"] for record in environment.records("events")} == {chats.address, heir}


@pytest.mark.parametrize("continued", [True, False], ids=["ids go on", "ids come again"])
def test_a_server_that_forgot_events_is_believed_and_contradicted_by_no_silent_merge(
    environment: E2EEnvironment, continued: bool
) -> None:
    with environment.bridge() as bridge, environment.chats() as chats:
        running(bridge, chats)
        chats.fault("restart", loseLast=5, continueIds=continued, agentsReturn=False, downSeconds=0.5)
        wait_all_rejoined(bridge)
        result = environment.finish(chats)
    records = environment.records("events")
    others = [record for record in records if record["amendment"]]
    certificates = environment.certificates().values()
    counts = Counter(record["amendment"] for record in others)
    assert counts["CHANGED"] == sum(one["amendments"] for one in certificates)
    assert counts["ID_REUSED"] == sum(one["idsReused"] for one in certificates)
    for record in others:
        original = f"{record['sessionId']}:{record['eventId']}"
        assert record["id"].rpartition(":")[0] == original
        assert record["amends"] == (original if record["amendment"] == "CHANGED" else None)
        assert any(other["id"] == original for other in records)
    assert set(result.explained) <= forgotten(chats)
    assert bool(counts["ID_REUSED"]) is not continued
    assert result.kinds["RESUMED"] == 10


def test_a_newer_announcement_moves_a_chat_and_the_former_server_sees_it_left_with_keep_alive(
    environment: E2EEnvironment,
) -> None:
    wishes: dict[str, Any] = {"concurrent_chats": 1, "events_per_second": 20, "mean_events": ENDLESS_CHAT, "seed": 77}
    with (
        AnnouncementCollector() as collector,
        environment.bridge() as bridge,
        environment.simulator("former", announce_url=collector.url, **wishes) as former,
        environment.simulator("newer", announce=False, **wishes) as newer,
    ):
        bridge.wait_ready()
        wait_for(lambda: collector.announced, 30, "nothing is announced")
        [announced] = collector.announced.values()
        assert bridge.post("/v1/sessions", announced)[0] == 202
        wait_for(lambda: all_joined(bridge), 30, "the chat is not joined")
        [before] = followed(bridge)
        host, _, port = newer.address.rpartition(":")
        assert bridge.post("/v1/sessions", announced | {"host": host, "port": int(port)})[0] == 202
        wait_for(lambda: followed(bridge)[0]["server"] == newer.address, 30, "the chat is not at the newer address")
        assert (before["server"], followed(bridge)[0]["sessionId"]) == (former.address, announced["sessionId"])
        wait_for(lambda: joins(environment.journal("newer")), 30, "nothing is written down")
        former_lines = [("RequestJoin", None), ("RequestReleaseParty", 0)]

        def left_with_keep_alive() -> bool:
            lines = [line for line in journal_lines(environment.journal("former")) if line.get("session_id")]
            return [(line["request"], line.get("after_action")) for line in lines] == former_lines

        wait_for(left_with_keep_alive, 30, "the former server was not left so")
        assert former.stats()["openChats"] == 1
        wait_for(lambda: bridge.metric("chatbridge_resumptions_total") == 1, 30, "no RESUMED record")
    assert environment.interference() == []


def test_rejoining_needs_the_session_password_again_and_a_wrong_one_is_mended_by_a_newer_announcement(
    environment: E2EEnvironment,
) -> None:
    with (
        AnnouncementCollector() as collector,
        environment.bridge() as bridge,
        environment.chats(passwords=True, announce_url=collector.url, concurrent_chats=2) as chats,
    ):
        bridge.wait_ready()
        wait_for(lambda: len(collector.announced) == 2, 30, "nothing is announced")
        wrong, right = collector.announced.values()
        bridge.post("/v1/sessions", wrong | {"password": "not-this-one"})
        bridge.post("/v1/sessions", right)
        wait_for(lambda: bridge.metric("chatbridge_joins_total", result="refused") >= 2, 30, "nothing is refused")
        expected = {wrong["sessionId"]: False, right["sessionId"]: True}
        wait_for(
            lambda: {chat["sessionId"]: chat["joined"] for chat in followed(bridge)} == expected,
            30,
            lambda: f"not {expected}: {followed(bridge)}",
        )
        bridge.post("/v1/sessions", wrong)
        wait_all_rejoined(bridge, 2)
        chats.fault("drop")
        wait_for(lambda: bridge.metric("chatbridge_joins_total", result="answered") == 4, 30, "no rejoin")
        result = environment.finish(chats)
    assert result.explained == []
    log = bridge.log.read_text("utf-8")
    assert all(each["password"] not in log for each in (wrong, right))


def test_a_refused_registration_is_tried_again_until_it_is_granted(environment: E2EEnvironment) -> None:
    with environment.bridge() as bridge, environment.chats() as chats:
        chats.fault("refuse", request="RequestRegister", errorId=UNHEARD_OF)
        bridge.wait_ready()
        lost = "chatbridge_links_lost_total"
        wait_for(lambda: bridge.metric(lost, reason="refused") >= 3, 30, "the refusal is not counted")
        assert not any(chat["joined"] for chat in followed(bridge))
        chats.fault("heal")
        wait_all_rejoined(bridge)
        result = environment.finish(chats)
    assert (result.explained, result.kinds["GAP"]) == ([], 0)


@pytest.mark.parametrize("error", [8209, UNHEARD_OF])
def test_a_join_that_is_refused_for_now_is_tried_again(environment: E2EEnvironment, error: int) -> None:
    with environment.bridge() as bridge, environment.chats(concurrent_chats=3) as chats:
        chats.fault("refuse", request="RequestJoin", errorId=error)
        bridge.wait_ready()
        wait_for(lambda: bridge.metric("chatbridge_joins_total", result="refused") >= 6, 30, "not refused twice each")
        chats.fault("heal")
        wait_all_rejoined(bridge, 3)
        result = environment.finish(chats)
    assert (result.explained, result.kinds["GAP"]) == ([], 0)


@pytest.mark.parametrize(("error", "asked"), [(8201, 1), (8210, 1), (UNHEARD_OF, 3)])
def test_a_join_that_stays_refused_ends_in_a_certificate_that_says_so(
    environment: E2EEnvironment, error: int, asked: int
) -> None:
    with (
        environment.bridge(sources__chat_server__reconnect_attempts=3) as bridge,
        environment.chats(concurrent_chats=3) as chats,
    ):
        chats.fault("refuse", request="RequestJoin", errorId=error)
        bridge.wait_ready()
        wait_for(lambda: bridge.metric("chatbridge_chats_closed_total") == 3, 30, "they are not given up")
        assert bridge.metric("chatbridge_gaps_total", reason="never_joined") == 3
        certificates = environment.certificates()
        assert len(certificates) == 3
        for certificate in certificates.values():
            assert (certificate["verdict"], certificate["reasons"]) == ("INCOMPLETE", [NEVER_JOINED])
        assert gap_codes(environment) == {NEVER_JOINED: 3}
        assert chats.stats()["requests"]["RequestJoin"] == 3 * asked
    assert environment.interference() == []


@pytest.mark.parametrize("how", ["half-open", "stopped"])
def test_a_silent_server_is_found_out_by_ping_and_its_chats_are_joined_again(
    environment: E2EEnvironment, how: str
) -> None:
    with environment.bridge() as bridge, environment.chats() as chats:
        running(bridge, chats)
        if how == "stopped":
            chats.send(signal.SIGSTOP)
        else:
            chats.fault("play-dead")
        began = time.monotonic()
        wait_for(lambda: bridge.metric("chatbridge_links_lost_total", reason="silent") >= 1, 30, "not found out")
        assert time.monotonic() - began < 8  # 1 s of silence, 1 s for the pong, a busy machine
        lost = "chatbridge_links_lost_total"
        wait_for(lambda: bridge.metric(lost, reason="not_registered") >= 1, 30, "no new attempt was silent, too")
        assert bridge.ready  # Kafka and the bridge are fine
        if how == "stopped":
            chats.send(signal.SIGCONT)
        else:
            chats.fault("heal")
        wait_all_rejoined(bridge)
        result = environment.finish(chats)
    assert result.explained == []
    assert result.kinds["RESUMED"] >= 10


def test_a_chat_that_ends_while_we_are_away_gets_a_gap_and_an_incomplete_certificate(
    environment: E2EEnvironment,
) -> None:
    with environment.bridge() as bridge, environment.chats(mean_events=40) as chats:
        running(bridge, chats, 1)
        chats.fault("refuse", request="RequestRegister", errorId=UNHEARD_OF)
        chats.fault("drop")
        ended = chats.stats()["chatsFinished"]
        wait_for(lambda: chats.stats()["chatsFinished"] > ended + 12, 30, "the chats do not end")
        chats.fault("heal")
        for reason in ("over_while_away", "never_joined"):
            wait_for(lambda: bridge.metric("chatbridge_gaps_total", reason=reason) > 0, 30, f"no gap {reason}")  # noqa: B023
        wait_for(lambda: all_joined(bridge, 5), 30, "the chats that continue are not joined again")
        result = environment.finish(chats)
    recorded = gap_codes(environment)
    certificates = environment.certificates().values()
    for reason in (OVER_WHILE_AWAY, NEVER_JOINED):
        assert sum(reason in one["reasons"] for one in certificates) == recorded[reason] > 0
    assert all(one["verdict"] == "INCOMPLETE" for one in certificates if one["gaps"])
    assert result.explained != []


def test_chats_of_a_server_that_never_comes_back_are_given_up_and_say_why(environment: E2EEnvironment) -> None:
    with (
        environment.bridge(sources__chat_server__reconnect_attempts=3) as bridge,
        environment.chats(concurrent_chats=4) as chats,
    ):
        running(bridge, chats, 4)
        chats.kill()
        wait_for(lambda: bridge.metric("chatbridge_chats_closed_total") == 4, 30, "they are not given up")
        assert bridge.metric("chatbridge_gaps_total", reason="out_of_reach") == 4
        assert bridge.metric("chatbridge_links_lost_total", reason="unreachable") >= 2
        for certificate in environment.certificates().values():
            lacks = set(certificate["reasons"]) - EXPECTED_CLASSES.keys()  # the simulator leaves ids out
            assert (certificate["verdict"], lacks) == ("INCOMPLETE", {OUT_OF_REACH})
        assert (followed(bridge), bridge.metric("chatbridge_joins_waiting")) == ([], 0)
    assert environment.interference() == []


def test_a_storm_of_rejoins_keeps_to_the_rate_that_the_server_can_bear(environment: E2EEnvironment) -> None:
    chats_count, rate, peak = 150, 20, 35
    rate_limiter: dict[str, Any] = {
        "sources__chat_server__joins_per_second": rate,
        "sources__chat_server__joins_peak": peak,
    }
    with (
        environment.bridge(**rate_limiter, sources__chat_server__max_sessions_per_connection=20) as bridge,
        environment.chats(concurrent_chats=chats_count) as chats,
    ):
        bridge.wait_ready()
        wait_for(lambda: all_joined(bridge, chats_count), 30, "not all joined at first")
        dropped = time.time()
        assert chats.fault("drop")["connections"] >= chats_count / 20
        wait_for(lambda: bridge.metric("chatbridge_joins_waiting") > chats_count / 2, 30, "no chat waits to be joined")
        wait_all_rejoined(bridge, chats_count)
        assert bridge.metric("chatbridge_joins_waiting") == 0
        result = environment.finish(chats)
    times = sorted(at for at, _ in joins(environment.journal(), dropped))
    assert len(times) == chats_count
    assert most_within(1, times) <= peak + JITTER
    assert times[-1] - times[0] >= (chats_count - peak) / rate
    assert result.explained == []


@pytest.mark.timeout(240)
def test_five_hundred_chats_come_back_after_a_crash_at_the_rate_that_the_vendor_sizes_a_server_for(
    environment: E2EEnvironment,
) -> None:
    count, rate, peak = 500, 10, 30
    with environment.chats(concurrent_chats=count, events_per_second=250) as chats:
        with environment.bridge() as quick:
            quick.wait_ready()
            wait_for(lambda: all_joined(quick, count), 60, "not all joined at first", poll=0.5)
            joined = time.monotonic()
            oldest = "chatbridge_oldest_uncommitted_event_seconds"
            wait_for(
                lambda: quick.metric(oldest) < time.monotonic() - joined, 30, "the first histories are not on Kafka"
            )
            quick.kill()
        killed = time.time()
        with environment.bridge(
            sources__chat_server__joins_per_second=rate, sources__chat_server__joins_peak=peak
        ) as bridge:
            bridge.wait_ready()
            wait_for(lambda: bridge.metric("chatbridge_joins_waiting") > count / 2, 30, "no chat waits to be joined")
            wait_for(lambda: all_joined(bridge, count), 90, "not all chats are joined again", poll=0.5)
            wait_for(lambda: bridge.metric("chatbridge_resumptions_total") == count, 60, "not all are on Kafka")
            result = environment.finish(chats)
    times = sorted(at for at, _ in joins(environment.journal(), killed))
    assert len(times) == count
    FIGURES.info(
        "500 chats after a crash: %.1f s from first to last join, at most %d in a second, %d in ten",
        times[-1] - times[0],
        most_within(1, times),
        most_within(10, times),
    )
    assert most_within(1, times) <= peak + JITTER
    assert most_within(10, times) <= peak + 9 * rate + JITTER
    assert result.explained == []


def test_an_answer_that_comes_too_late_harms_nothing(environment: E2EEnvironment) -> None:
    slow: dict[str, Any] = {
        "sources__chat_server__register_timeout_seconds": 10,
        "sources__chat_server__pong_timeout_seconds": 20,
    }
    with environment.bridge(**slow) as bridge, environment.chats(concurrent_chats=3) as chats:
        chats.fault("delay", seconds=5)  # longer than join_timeout_seconds
        bridge.wait_ready()
        wait_for(lambda: bridge.metric("chatbridge_joins_total", result="refused") >= 6, 30, "no join timed out twice")
        chats.fault("heal")
        wait_all_rejoined(bridge, 3)
        result = environment.finish(chats)
    assert (result.explained, environment.records("quarantine")) == ([], [])
