from bridge.chatserver.messages import OVER
from bridge.simulator.model.idle import IdleTimeouts
from bridge.simulator.model.settings import ModelSettings
from bridge.transcript.events import AGENT, EXTERNAL, Item, find
from tests.simulator.simulator_harness import CHAT, ServerHarness, person

REGULAR = ModelSettings(idle=IdleTimeouts(alert_seconds=255, close_seconds=45))
ASYNC = Item("GCTI_Chat_AsyncMode", value="true")


def pass_time(stage: ServerHarness, seconds: float) -> list[str]:
    """Let time pass and return what the server itself said and did meanwhile."""
    stage.now += seconds
    said = stage.do(stage.sessions.on_timer(stage.now))
    return [event.notice_text.notice_type if event.notice_text else event.event_type for event in said]


def test_silence_is_first_warned_of_and_then_ends_the_chat_with_code_7() -> None:
    stage = ServerHarness(REGULAR)
    stage.monitor()
    assert pass_time(stage, 254) == []
    assert pass_time(stage, 1) == ["newParty", "IDLE_CONTROL_ALERT"]
    assert pass_time(stage, 45) == ["IDLE_CONTROL_CLOSE", "partyLeft", "partyLeft"]
    customer = stage.said[-2]
    assert customer.user_id == "C"
    assert customer.reason is not None
    assert customer.reason.code == 7
    assert find(customer.event_attributes, "GCTI_SYSTEM", "quit-reason-code") == "7"
    assert customer.asker_id == stage.said[-3].user_id
    assert stage.received[9][-1].session_status == OVER


def test_a_second_warning_comes_when_it_is_configured() -> None:
    stage = ServerHarness(ModelSettings(idle=IdleTimeouts(100, 50, 20)))
    assert pass_time(stage, 100) == ["newParty", "IDLE_CONTROL_ALERT"]
    assert pass_time(stage, 50) == ["IDLE_CONTROL_ALERT"]
    assert pass_time(stage, 20)[0] == "IDLE_CONTROL_CLOSE"


def test_a_message_starts_the_count_anew_and_typing_does_not() -> None:
    stage = ServerHarness(REGULAR)
    pass_time(stage, 200)
    stage.say("C")
    assert pass_time(stage, 254) == []
    stage.notify("C", "TYPING_STARTED")
    assert pass_time(stage, 1) == ["newParty", "IDLE_CONTROL_ALERT"]
    stage.say("C")
    assert pass_time(stage, 60) == []


def test_a_silent_monitor_does_not_postpone_the_end() -> None:
    stage = ServerHarness(REGULAR)
    pass_time(stage, 200)
    stage.monitor()
    assert pass_time(stage, 55) == ["newParty", "IDLE_CONTROL_ALERT"]


def test_in_an_asynchronous_chat_only_agents_coming_and_going_count() -> None:
    stage = ServerHarness(ModelSettings(idle_async=IdleTimeouts(86_400, 0, 3_600)), ASYNC)
    stage.enter(person("A", AGENT))
    pass_time(stage, 80_000)
    stage.say("C")
    stage.enter(person("W", EXTERNAL))
    assert pass_time(stage, 6_400) == ["newParty", "IDLE_CONTROL_ALERT"]
    stage.enter(person("B", AGENT))
    assert pass_time(stage, 3_600) == []


def test_what_remains_is_told_with_every_push() -> None:
    stage = ServerHarness(REGULAR)
    stage.monitor()
    stage.now += 100
    stage.notify("C", "TYPING_STARTED")
    assert stage.received[9][-1].chat_transcript.idle_time_expire == 155
    stage.say("C")
    assert stage.received[9][-1].chat_transcript.idle_time_expire == 255


def test_idle_control_can_be_set_for_one_chat() -> None:
    stage = ServerHarness()
    said = stage.do(stage.sessions.set_idle(CHAT, IdleTimeouts(5, 0, 1), stage.now))
    assert said[-1].notice_text is not None
    assert said[-1].notice_text.notice_type == "IDLE_CONTROL_SET"
    assert pass_time(stage, 5) == ["IDLE_CONTROL_ALERT"]
