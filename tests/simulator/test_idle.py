from bridge.chatserver.messages import OVER
from bridge.simulator.model.idle import IdleTimeouts
from bridge.simulator.model.model_settings import ModelSettings
from bridge.transcript.events import AGENT, EXTERNAL, Item, find
from tests.simulator.simulator_harness import CHAT, ServerHarness, person

REGULAR = ModelSettings(idle=IdleTimeouts(alert_seconds=255, close_seconds=45))
ASYNC = Item("GCTI_Chat_AsyncMode", value="true")


def pass_time(harness: ServerHarness, seconds: float) -> list[str]:
    """Advance the time; return the notices and events that the server itself added."""
    harness.now += seconds
    said = harness.apply(harness.sessions.on_timer(harness.now))
    return [event.notice_text.notice_type if event.notice_text else event.event_type for event in said]


def test_silence_is_first_warned_of_and_then_ends_the_chat_with_code_7() -> None:
    harness = ServerHarness(REGULAR)
    harness.monitor()
    assert pass_time(harness, 254) == []
    assert pass_time(harness, 1) == ["newParty", "IDLE_CONTROL_ALERT"]
    assert pass_time(harness, 45) == ["IDLE_CONTROL_CLOSE", "partyLeft", "partyLeft"]
    customer = harness.events[-2]
    assert customer.user_id == "C"
    assert customer.reason is not None
    assert customer.reason.code == 7
    assert find(customer.event_attributes, "GCTI_SYSTEM", "quit-reason-code") == "7"
    assert customer.asker_id == harness.events[-3].user_id
    assert harness.received[9][-1].session_status == OVER


def test_a_second_warning_comes_when_it_is_configured() -> None:
    harness = ServerHarness(ModelSettings(idle=IdleTimeouts(100, 50, 20)))
    assert pass_time(harness, 100) == ["newParty", "IDLE_CONTROL_ALERT"]
    assert pass_time(harness, 50) == ["IDLE_CONTROL_ALERT"]
    assert pass_time(harness, 20)[0] == "IDLE_CONTROL_CLOSE"


def test_a_message_starts_the_count_anew_and_typing_does_not() -> None:
    harness = ServerHarness(REGULAR)
    pass_time(harness, 200)
    harness.send_text("C")
    assert pass_time(harness, 254) == []
    harness.send_notice("C", "TYPING_STARTED")
    assert pass_time(harness, 1) == ["newParty", "IDLE_CONTROL_ALERT"]
    harness.send_text("C")
    assert pass_time(harness, 60) == []


def test_a_silent_monitor_does_not_postpone_the_end() -> None:
    harness = ServerHarness(REGULAR)
    pass_time(harness, 200)
    harness.monitor()
    assert pass_time(harness, 55) == ["newParty", "IDLE_CONTROL_ALERT"]


def test_in_an_asynchronous_chat_only_agents_coming_and_going_count() -> None:
    harness = ServerHarness(ModelSettings(idle_async=IdleTimeouts(86_400, 0, 3_600)), ASYNC)
    harness.join(person("A", AGENT))
    pass_time(harness, 80_000)
    harness.send_text("C")
    harness.join(person("W", EXTERNAL))
    assert pass_time(harness, 6_400) == ["newParty", "IDLE_CONTROL_ALERT"]
    harness.join(person("B", AGENT))
    assert pass_time(harness, 3_600) == []


def test_what_remains_is_told_with_every_push() -> None:
    harness = ServerHarness(REGULAR)
    harness.monitor()
    harness.now += 100
    harness.send_notice("C", "TYPING_STARTED")
    assert harness.received[9][-1].chat_transcript.idle_time_expire == 155
    harness.send_text("C")
    assert harness.received[9][-1].chat_transcript.idle_time_expire == 255


def test_idle_control_can_be_set_for_one_chat() -> None:
    harness = ServerHarness()
    said = harness.apply(harness.sessions.set_idle(CHAT, IdleTimeouts(5, 0, 1), harness.now))
    assert said[-1].notice_text is not None
    assert said[-1].notice_text.notice_type == "IDLE_CONTROL_SET"
    assert pass_time(harness, 5) == ["IDLE_CONTROL_ALERT"]
