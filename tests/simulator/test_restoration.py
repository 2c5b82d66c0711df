import random

import msgspec
import pytest

from bridge.simulator.model.effects import EventAdded, SessionRestored
from bridge.simulator.model.model_settings import ModelSettings
from bridge.simulator.model.restoration import RestorePlan, SessionDump, dump, restore_all
from bridge.simulator.model.sessions import Sessions
from bridge.transcript.events import AGENT, CLIENT, EXTERNAL, MESSAGE, find
from tests.simulator.simulator_harness import CHAT, ServerHarness, person


def a_chat() -> ServerHarness:
    harness = ServerHarness()
    harness.join(person("W", EXTERNAL))
    harness.join(person("A", AGENT))
    harness.monitor()
    harness.send_text("C")
    harness.send_text("A")
    return harness


def restored_sessions(harness: ServerHarness, plan: RestorePlan) -> tuple[Sessions, SessionRestored, list[EventAdded]]:
    saved = msgspec.json.decode(msgspec.json.encode(dump(harness.sessions.session(CHAT))), type=SessionDump)
    sessions = Sessions(ModelSettings(), random.Random(2))
    effects = restore_all(sessions, [saved], plan, harness.now + 60)
    restored = effects[0]
    assert isinstance(restored, SessionRestored)
    return sessions, restored, [effect for effect in effects if isinstance(effect, EventAdded)]


def test_parties_that_did_not_return_are_marked_with_code_8() -> None:
    harness = a_chat()
    sessions, restored, said = restored_sessions(harness, RestorePlan())
    left = [effect.event for effect in said]
    assert [(event.user_id, event.asker_id) for event in left] == [("M", "M")]  # only who was on a socket
    assert left[0].reason is not None
    assert left[0].reason.code == 8
    assert find(left[0].event_attributes, "GCTI_SYSTEM", "quit-reason-code") == "8"
    assert restored.lost == []
    assert set(sessions.session(CHAT).parties) == {"C", "W", "A"}


def test_agents_that_come_back_are_new_arrivals() -> None:
    sessions, _, said = restored_sessions(a_chat(), RestorePlan(agents_return=False))
    assert [(effect.event.event_type, effect.event.user_id) for effect in said] == [
        ("partyLeft", "A"),
        ("partyLeft", "M"),
        ("newParty", "A"),
    ]
    assert "A" in sessions.session(CHAT).parties


@pytest.mark.parametrize(("continue_ids", "expected"), [(True, 7), (False, 5)])
def test_ids_go_on_or_come_again_as_the_plan_says(continue_ids: bool, expected: int) -> None:
    harness = a_chat()
    assert harness.events[-1].event_id == 6
    sessions, restored, said = restored_sessions(harness, RestorePlan(lose_last=2, continue_ids=continue_ids))
    assert restored.lost == [5, 6]
    assert restored.next_id == expected
    assert said[0].event.event_id == expected
    assert [event.event_id for event in sessions.session(CHAT).events] == [1, 2, 3, 4, expected]


def test_restored_text_can_be_masked() -> None:
    harness = ServerHarness()
    event = harness.send_text("C")
    assert event.message_text is not None
    masked_before = msgspec.structs.replace(
        event, message_text=msgspec.structs.replace(event.message_text, text="42 x")
    )
    harness.sessions.session(CHAT).events[-1] = masked_before
    sessions, _, _ = restored_sessions(harness, RestorePlan(mask=True))
    texts = [e.message_text.text for e in sessions.session(CHAT).events if e.event_type == MESSAGE and e.message_text]
    assert texts == ["** x"]


def test_the_password_and_the_last_nickname_survive() -> None:
    harness = ServerHarness(ModelSettings(passwords=True))
    harness.send_notice("C", "USER_UPDATE_NICK", "Visitor Uno")
    sessions, _, _ = restored_sessions(harness, RestorePlan())
    session = sessions.session(CHAT)
    assert session.password == harness.sessions.session(CHAT).password is not None
    assert session.party("C").info.user_nickname == "Visitor Uno"


def test_a_leave_that_was_not_saved_is_made_up_for() -> None:
    harness = a_chat()
    harness.apply(harness.sessions.release(CHAT, "A", harness.now))
    _, restored, said = restored_sessions(harness, RestorePlan(lose_last=1))
    assert restored.lost == [7]
    assert {effect.event.user_id for effect in said} == {"A", "M"}


def test_at_least_the_first_event_is_kept() -> None:
    harness = ServerHarness()
    sessions, _, _ = restored_sessions(harness, RestorePlan(lose_last=50))
    assert sessions.session(CHAT).party("C").info.user_type == CLIENT
