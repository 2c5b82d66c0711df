import pytest

from bridge.simulator.model.refusals import RequestRefused
from bridge.simulator.model.session_parties import may_join
from bridge.transcript.events import AGENT, ALL, CLIENT, EXTERNAL, INT, SUPERVISOR, VIP
from tests.simulator.simulator_harness import CHAT, ServerHarness, person

# Rows of the viewer matrix (protocol facts 4.3): event visibility -> who sees it.
MATRIX = [
    (ALL, {CLIENT: True, AGENT: True, SUPERVISOR: True, EXTERNAL: True}),
    (INT, {CLIENT: False, AGENT: True, SUPERVISOR: True, EXTERNAL: True}),
    (VIP, {CLIENT: False, AGENT: False, SUPERVISOR: True, EXTERNAL: True}),
]


@pytest.mark.parametrize(
    ("visibility", "viewer", "sees"),
    [(visibility, viewer, sees) for visibility, row in MATRIX for viewer, sees in row.items()],
)
def test_who_is_shown_an_event_follows_the_viewer_matrix(visibility: str, viewer: str, *, sees: bool) -> None:
    harness = ServerHarness()
    harness.join(person("V", viewer), connection=1)
    harness.join(person("S", EXTERNAL))
    event = harness.send_text("S", visibility)
    assert (event.event_id in harness.received_ids(1)) is sees


@pytest.mark.parametrize(
    ("visibility", "viewer", "sees"),
    [(visibility, viewer, sees) for visibility, row in MATRIX for viewer, sees in row.items()],
)
def test_history_is_filtered_like_pushes(visibility: str, viewer: str, *, sees: bool) -> None:
    harness = ServerHarness()
    harness.join(person("S", EXTERNAL))
    event = harness.send_text("S", visibility)
    harness.join(person("V", viewer), connection=1)
    assert (event.event_id in harness.received_ids(1)) is sees


def test_a_direct_message_reaches_sender_and_recipient_only_and_no_supervisor() -> None:
    harness = ServerHarness()
    harness.join(person("A", AGENT), connection=1)
    harness.join(person("K", SUPERVISOR, INT), connection=2)
    harness.monitor(connection=3)
    harness.join(person("B", AGENT), connection=4)
    event = harness.send_text("K", INT, receiver_id="A")
    harness.join(person("L", SUPERVISOR, VIP), connection=5)
    assert [event.event_id in harness.received_ids(number) for number in (1, 2, 3, 4, 5)] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_silent_monitor_is_seen_by_supervisors_only() -> None:
    harness = ServerHarness()
    harness.join(person("A", AGENT), connection=1)
    harness.join(person("K", SUPERVISOR), connection=2)
    harness.monitor(connection=3)
    joined = harness.events[-1]
    assert joined.visibility == VIP
    assert [joined.event_id in harness.received_ids(number) for number in (1, 2, 3)] == [False, True, True]


@pytest.mark.parametrize(
    ("user_type", "allowed"),
    [(CLIENT, {ALL}), (AGENT, {ALL, INT}), (SUPERVISOR, {ALL, INT, VIP}), (EXTERNAL, {ALL, INT, VIP})],
)
def test_a_user_type_may_join_only_as_its_row_says(user_type: str, allowed: set[str]) -> None:
    assert {visibility for visibility in (ALL, INT, VIP) if may_join(user_type, visibility)} == allowed


def test_a_silent_monitor_may_not_speak() -> None:
    harness = ServerHarness()
    harness.monitor()
    with pytest.raises(RequestRefused):
        harness.send_text("M", VIP)


def test_nobody_speaks_more_openly_than_the_way_he_joined() -> None:
    harness = ServerHarness()
    harness.join(person("K", SUPERVISOR, INT))
    with pytest.raises(RequestRefused):
        harness.send_text("K", ALL)
    assert harness.send_text("K", INT).visibility == INT


def test_nothing_can_be_said_to_somebody_who_is_not_there() -> None:
    harness = ServerHarness()
    harness.join(person("A", AGENT))
    with pytest.raises(RequestRefused) as refused:
        harness.send_text("A", INT, receiver_id="nobody")
    assert refused.value.error_id == 8201


def test_a_session_says_that_it_is_monitored_while_it_is() -> None:
    harness = ServerHarness()
    harness.join(person("A", AGENT), connection=1)
    harness.monitor(connection=2)
    harness.send_text("C")
    harness.apply(harness.sessions.release(CHAT, "M", harness.now))
    harness.send_text("C")
    assert [message.chat_transcript.monitored for message in harness.received[1]] == [None, True, None]
