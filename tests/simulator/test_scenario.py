import random
from collections import Counter

import pytest

from bridge.simulator.model.effects import EventAdded, SessionClosed
from bridge.simulator.model.model_settings import ModelSettings
from bridge.simulator.model.sessions import Sessions
from bridge.simulator.traffic.actions import OpenSession, perform
from bridge.simulator.traffic.scenario import ScenarioSettings, scenario, session_id
from bridge.transcript.events import PARTY_LEFT, find
from tests.simulator.simulator_harness import START


def played(settings: ScenarioSettings, number: int) -> tuple[list[EventAdded], bool]:
    """Play one chat to its end, without waiting."""
    chat = scenario(settings, number)
    sessions = Sessions(ModelSettings(), random.Random(1))
    now = START
    effects = []
    for delay, action in chat.steps:
        now += delay
        effects += perform(action, sessions, chat.session_id, now)
    while sessions.by_id:
        now += 1
        effects += sessions.on_timer(now)
    closed = sum(isinstance(effect, SessionClosed) for effect in effects) == 1
    return [effect for effect in effects if isinstance(effect, EventAdded)], closed


def test_the_same_seed_gives_the_same_chats() -> None:
    settings = ScenarioSettings(seed=3)
    assert [list(scenario(settings, number).steps) for number in range(1, 20)] == [
        list(scenario(settings, number).steps) for number in range(1, 20)
    ]
    assert played(settings, 7) == played(settings, 7)


def test_other_seeds_and_numbers_give_other_chats() -> None:
    ids = {session_id(seed, number) for seed in range(20) for number in range(200)}
    assert len(ids) == 4_000
    assert all(len(one) == 16 and one.isalnum() for one in ids)


@pytest.mark.parametrize("seed", range(8))
def test_every_chat_comes_to_its_end_and_no_step_is_refused(seed: int) -> None:
    for number in range(1, 60):
        said, closed = played(ScenarioSettings(seed=seed), number)
        assert closed
        ids = [effect.event.event_id for effect in said]
        assert ids == sorted(set(ids))


def test_the_mean_number_of_events_is_near_what_was_asked() -> None:
    for mean in (15, 30, 60):
        settings = ScenarioSettings(seed=1, mean_events=mean)
        events = sum(len(played(settings, number)[0]) for number in range(1, 400))
        assert 0.75 * mean < events / 399 < 1.35 * mean


def test_everything_that_happens_in_chats_happens() -> None:
    notices: Counter[str] = Counter()
    reasons: Counter[int | None] = Counter()
    quits: Counter[str | None] = Counter()
    visibilities: Counter[str] = Counter()
    direct = bots = 0
    for number in range(1, 600):
        for effect in played(ScenarioSettings(seed=2), number)[0]:
            event = effect.event
            visibilities[event.visibility] += 1
            direct += event.receiver_id is not None
            bots += find(event.event_attributes, "GCTI_SYSTEM", "party-info", "style") == "BOT"
            if event.notice_text:
                notices[event.notice_text.notice_type] += 1
            if event.event_type == PARTY_LEFT and event.reason:
                reasons[event.reason.code] += 1
                quits[find(event.event_attributes, "GCTI_SYSTEM", "quit-reason-code")] += 1
    assert set(notices) == {
        "TYPING_STARTED",
        "TYPING_STOPPED",
        "USER_PUSHED_URL",
        "USER_CUSTOM",
        "USER_UPDATE_NICK",
        "SYS_COMMAND",
        "IDLE_CONTROL_SET",
        "IDLE_CONTROL_ALERT",
        "IDLE_CONTROL_CLOSE",
    }
    assert set(reasons) == {None, 1, 2, 3, 4, 5, 6, 7}
    assert set(quits) == {None, "0", "3", "4", "5", "6", "7"}
    assert set(visibilities) == {"ALL", "INT"}
    assert direct > 0
    assert bots > 0


def test_customers_bring_the_keys_that_customers_bring() -> None:
    opened = next(scenario(ScenarioSettings(seed=1), 12).steps)[1]
    assert isinstance(opened, OpenSession)
    data = opened.creator.user_data
    assert len(data) >= 15
    assert find(data, "EmailAddress") == "visitor12@example.invalid"
    assert opened.creator.info.user_nickname == "Visitor 12"
