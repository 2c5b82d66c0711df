import pytest

from bridge.simulator.model.idle import IdleTimeouts
from bridge.simulator.model.model_settings import ModelSettings
from bridge.transcript.events import (
    AGENT,
    INT,
    NEW_PARTY,
    SYS_COMMAND,
    SYSTEM,
    TYPING_STARTED,
    USER_CUSTOM,
    USER_UPDATE_NICK,
    ChatEvent,
    Item,
)
from tests.simulator.simulator_harness import CHAT, ServerHarness, person


def what_a_monitor_gets(version: int, *, late: bool) -> tuple[list[ChatEvent], ServerHarness]:
    """Play one chat with everything that some version does not know."""
    harness = ServerHarness()
    if not late:
        harness.monitor(version=version)
    bot_style = Item("GCTI_Chat_SetPartyStyle", value="BOT")
    harness.join(person("B", AGENT, "ALL", 105, bot_style))
    harness.send_notice("C", USER_UPDATE_NICK, "Visitor Uno")
    harness.send_notice("C", SYS_COMMAND, "file-uploaded", Item("file-name", value="sample.pdf"))
    harness.send_notice("C", USER_CUSTOM, "x", Item("k", value="v"))
    harness.apply(harness.sessions.set_idle(CHAT, IdleTimeouts(20, 0, 10), harness.now))
    if late:
        harness.monitor(version=version)
    events = [
        event
        for message in harness.received[9]
        for event in message.chat_transcript.chat_event_list
        if event.user_id != "M"
    ]
    return events, harness


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    ("version", "notices", "system", "user_data", "event_attributes"),
    [
        (101, {USER_CUSTOM}, False, False, False),
        (102, {USER_CUSTOM, USER_UPDATE_NICK}, False, False, False),
        (103, {USER_CUSTOM, USER_UPDATE_NICK, "IDLE_CONTROL_SET"}, True, False, False),
        (104, {USER_CUSTOM, USER_UPDATE_NICK, "IDLE_CONTROL_SET", SYS_COMMAND}, True, True, False),
        (105, {USER_CUSTOM, USER_UPDATE_NICK, "IDLE_CONTROL_SET", SYS_COMMAND}, True, True, False),
        (106, {USER_CUSTOM, USER_UPDATE_NICK, "IDLE_CONTROL_SET", SYS_COMMAND}, True, True, True),
    ],
)
def test_each_version_gets_what_it_knows_and_no_more(
    *, version: int, notices: set[str], system: bool, user_data: bool, event_attributes: bool, late: bool
) -> None:
    events, _ = what_a_monitor_gets(version, late=late)
    assert {event.notice_text.notice_type for event in events if event.notice_text} == notices
    types = {event.user_info.user_type for event in events if event.event_type == NEW_PARTY and event.user_info}
    assert (SYSTEM in types) is system
    custom = next(event for event in events if event.notice_text and event.notice_text.notice_type == USER_CUSTOM)
    assert bool(custom.user_data) is user_data
    assert any(event.event_attributes for event in events) is event_attributes


def test_what_is_withheld_leaves_holes_and_ids_are_those_of_the_session() -> None:
    low, harness = what_a_monitor_gets(101, late=True)
    all_ids = [event.event_id for event in harness.events]
    assert all_ids == list(range(1, len(all_ids) + 1))
    assert {event.event_id for event in low} < set(all_ids)


@pytest.mark.parametrize(("version", "idle", "monitored"), [(102, False, False), (103, True, False), (105, True, True)])
def test_transcript_attributes_come_with_their_version(version: int, idle: bool, monitored: bool) -> None:
    _, harness = what_a_monitor_gets(version, late=True)
    transcript = harness.received[9][-1].chat_transcript
    assert (transcript.idle_time_expire is not None) is idle
    assert (transcript.monitored is True) is monitored


def test_a_push_of_withheld_things_only_is_not_sent() -> None:
    harness = ServerHarness()
    harness.monitor(version=101)
    before = len(harness.received[9])
    harness.send_notice("C", USER_UPDATE_NICK, "Visitor Uno")
    assert len(harness.received[9]) == before


def test_the_server_numbers_files() -> None:
    harness = ServerHarness()
    first = harness.send_notice("C", SYS_COMMAND, "file-uploaded", Item("file-name", value="a"))
    second = harness.send_notice("C", SYS_COMMAND, "file-uploaded", Item("file-name", value="b"))
    ids = [[item.value for item in event.user_data if item.key == "file-id"] for event in (first, second)]
    assert ids == [["0000000000000001"], ["0000000000000002"]]


def test_typing_can_be_left_out_of_histories() -> None:
    for replay_typing in (True, False):
        harness = ServerHarness(ModelSettings(replay_typing=replay_typing))
        typing = harness.send_notice("C", TYPING_STARTED, "hel")
        harness.monitor()
        live = harness.send_notice("C", TYPING_STARTED, "hello")
        assert (typing.event_id in harness.received_ids(9)) is replay_typing
        assert live.event_id in harness.received_ids(9)


def test_a_new_nickname_is_the_partys_from_then_on() -> None:
    harness = ServerHarness()
    harness.send_notice("C", USER_UPDATE_NICK, "Visitor Uno")
    assert harness.sessions.session(CHAT).party("C").info.user_nickname == "Visitor Uno"


def test_spent_ids_leave_a_hole() -> None:
    harness = ServerHarness()
    harness.join(person("A", AGENT))
    harness.sessions.consume_ids(CHAT, 3)
    assert harness.send_text("A", INT).event_id == 6
