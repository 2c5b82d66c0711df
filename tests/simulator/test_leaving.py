import pytest

from bridge.chatserver.messages import CLOSE_IF_NO_AGENTS, FORCE_CLOSE, KEEP_ALIVE, OVER
from bridge.simulator.model import departures
from bridge.simulator.model.departures import Departure
from bridge.simulator.model.refusals import RequestRefused
from bridge.transcript.events import AGENT, EXTERNAL, INT, PARTY_LEFT, SUPERVISOR, VIP, ChatEvent, find
from tests.simulator.simulator_harness import CHAT, ServerHarness, person


def a_chat() -> ServerHarness:
    harness = ServerHarness()
    harness.join(person("W", EXTERNAL))
    harness.join(person("A", AGENT))
    return harness


def code(event: ChatEvent) -> int | None:
    assert event.reason is not None
    return event.reason.code


def quit_code(event: ChatEvent) -> str | None:
    return find(event.event_attributes, "GCTI_SYSTEM", "quit-reason-code")


@pytest.mark.parametrize(
    ("after_action", "reason", "text"),
    [
        (KEEP_ALIVE, None, "left"),
        (CLOSE_IF_NO_AGENTS, 1, "left with request to close if no agents"),
        (FORCE_CLOSE, 2, "left with request to close forcedly"),
    ],
)
def test_the_reason_of_a_leave_is_that_of_its_after_action(after_action: int, reason: int | None, text: str) -> None:
    harness = a_chat()
    left = harness.apply(harness.sessions.release(CHAT, "A", harness.now, after_action=after_action))[0]
    assert left.reason is not None
    assert (left.event_type, left.user_id, left.asker_id) == (PARTY_LEFT, "A", "A")
    assert (left.reason.code, left.reason.text) == (reason, text)
    assert harness.closed is (after_action != KEEP_ALIVE)


@pytest.mark.parametrize(
    ("departure", "reason", "quits"),
    [
        (departures.LEFT, None, "0"),
        (departures.FLEX_INACTIVE, 3, "3"),
        (departures.WRONG_KEY, 6, "6"),
        (departures.NOT_RETURNED, 8, "8"),
    ],
)
def test_a_customers_departure_carries_its_quit_reason(departure: Departure, reason: int | None, quits: str) -> None:
    harness = a_chat()
    left = harness.apply(harness.sessions.depart(CHAT, "C", departure, harness.now))[0]
    assert (code(left), quit_code(left)) == (reason, quits)
    assert not harness.closed


def test_a_lost_connection_is_a_leave_with_code_3_asked_by_the_party_itself() -> None:
    harness = a_chat()
    left = harness.apply(harness.sessions.depart(CHAT, "A", departures.DISCONNECTED, harness.now))[0]
    assert (code(left), left.asker_id, quit_code(left)) == (3, "A", None)


def test_removing_somebody_is_code_4_asked_by_who_did_it() -> None:
    harness = a_chat()
    left = harness.apply(harness.sessions.release(CHAT, "A", harness.now, user_id="C"))[0]
    assert (left.user_id, left.asker_id, code(left), quit_code(left)) == ("C", "A", 4, "4")


def test_a_forced_close_removes_customers_then_others_and_never_the_workflow() -> None:
    harness = a_chat()
    harness.monitor()
    harness.join(person("K", SUPERVISOR, INT))
    said = harness.apply(harness.sessions.release(CHAT, "A", harness.now, after_action=FORCE_CLOSE))
    assert [(event.user_id, code(event), event.asker_id) for event in said] == [
        ("A", 2, "A"),
        ("C", 4, "A"),
        ("M", 4, "A"),
        ("K", 4, "A"),
    ]
    assert next(event for event in said if event.user_id == "M").visibility == VIP


def test_the_end_is_one_push_with_status_over_to_everybody_who_is_joined() -> None:
    harness = a_chat()
    harness.monitor(connection=1)
    harness.monitor(connection=2, user_id="N")
    harness.apply(harness.sessions.release(CHAT, "A", harness.now, after_action=FORCE_CLOSE))
    for connection in (1, 2):
        last = harness.received[connection][-1]
        assert last.session_status == OVER
        assert [event.user_id for event in last.chat_transcript.chat_event_list][:2] == ["A", "C"]


def test_close_if_no_agents_goes_on_while_another_agent_is_there() -> None:
    harness = a_chat()
    harness.join(person("B", AGENT))
    harness.apply(harness.sessions.release(CHAT, "A", harness.now, after_action=CLOSE_IF_NO_AGENTS))
    assert not harness.closed
    harness.apply(harness.sessions.release(CHAT, "B", harness.now, after_action=CLOSE_IF_NO_AGENTS))
    assert harness.closed


def test_a_silent_monitor_is_no_agent_and_keeps_no_chat_open() -> None:
    harness = a_chat()
    harness.monitor()
    harness.apply(harness.sessions.release(CHAT, "A", harness.now))
    assert not harness.closed
    harness.apply(harness.sessions.depart(CHAT, "C", departures.LEFT, harness.now))
    assert harness.received[9][-1].session_status == OVER
    assert harness.closed


def test_the_coming_and_going_of_a_monitor_closes_nothing() -> None:
    harness = a_chat()
    harness.monitor()
    harness.apply(harness.sessions.release(CHAT, "M", harness.now))
    harness.monitor(user_id="N")
    harness.apply(harness.sessions.depart(CHAT, "N", departures.DISCONNECTED, harness.now))
    assert not harness.closed
    assert harness.sessions.session(CHAT).monitored is False


def test_a_stopped_workflow_removes_everybody_with_code_5() -> None:
    harness = a_chat()
    said = harness.apply(harness.sessions.stop(CHAT, harness.now))
    assert [(event.user_id, code(event), quit_code(event)) for event in said] == [("C", 5, "5"), ("A", 5, None)]
    assert harness.closed


def test_after_the_end_every_request_is_refused_with_8201() -> None:
    harness = a_chat()
    harness.apply(harness.sessions.stop(CHAT, harness.now))
    with pytest.raises(RequestRefused) as refused:
        harness.send_text("A")
    assert refused.value.error_id == 8201


def test_an_asynchronous_chat_sleeps_without_agents() -> None:
    harness = a_chat()
    harness.apply(harness.sessions.release(CHAT, "A", harness.now))
    harness.now += 80_000
    assert harness.join(person("D", AGENT))[0].time_shift == 80_000
