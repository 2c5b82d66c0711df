"""Whole chats of the simulator, followed live as a monitor sees them and then read as they are stored, or the reverse.

Nothing is published twice, what only one side has is published once, and none of the documented differences of the two
sides is taken for a change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from bridge.simulator.harness.ledger import visible_to_monitor
from bridge.simulator.model.restoration import RestorePlan
from bridge.simulator.traffic.scenario import ScenarioSettings
from bridge.simulator.ucs.played_chats import PlayedChat, played_chat
from bridge.simulator.ucs.saved_chats import SavedChats
from bridge.simulator.ucs.stored_form import StoredForm
from tests.capture.recorded_shard import RecordedShard
from tests.capture.stored_documents_of import of_text
from tests.transcript.build import CHAT, history, push

if TYPE_CHECKING:
    from bridge.transcript.events import ChatEvent

START: Final = 1_930_000_000.0
SETTINGS: Final = ScenarioSettings(seed=9, mean_events=40)
FORMS: Final = {
    "as it is": StoredForm(),
    "with typing": StoredForm(save_typing=True),
    "masked": StoredForm(masking="history-final"),
    "always masked": StoredForm(masking="history-all"),
}
NUMBERS: Final = range(8)


def texts_of(played: PlayedChat, form: StoredForm, auto_save: int = 0) -> list[bytes]:
    """The texts that are stored one after the other, as those of the tests' chat."""
    saved = SavedChats(form, auto_save)
    rows = [row for at, effect in played.effects for row in saved.rows(effect, at)]
    return [row.text.replace(played.session_id, CHAT).encode() for row in rows if row.text is not None]


def seen(events: list[ChatEvent]) -> list[ChatEvent]:
    return [event for event in events if visible_to_monitor(event)]


def assert_each_once(shard: RecordedShard, played: PlayedChat) -> None:
    records = shard.records()
    assert not [record["eventId"] for record in records if record["amendment"]]
    captured = [record["eventId"] for record in records if record["eventId"] is not None]
    assert sorted(captured) == sorted(event.event_id for event in played.events)
    assert shard.findings() == []


@pytest.mark.parametrize("form", FORMS)
def test_a_chat_that_was_followed_and_is_then_read_has_each_event_once(form: str) -> None:
    for number in NUMBERS:
        played = played_chat(SETTINGS, number, START)
        live = seen(played.events)
        shard = RecordedShard()
        shard.fold(history(*live[:5]), push(*live[5:], over=True))
        [text] = texts_of(played, FORMS[form])
        shard.fold(*of_text(text))
        assert_each_once(shard, played)
        direct = {event.event_id for event in played.events} - {event.event_id for event in live}
        archived = {record["eventId"] for record in shard.records() if record["origin"] == "ARCHIVE"}
        assert archived == direct


@pytest.mark.parametrize("old_server", [False, True])
@pytest.mark.parametrize("auto_save", [1, 2])
def test_a_chat_that_is_read_while_it_grows_has_each_stored_event_once(auto_save: int, old_server: bool) -> None:
    for number in NUMBERS:
        played = played_chat(SETTINGS, number, START)
        shard = RecordedShard(announced=False)
        texts = texts_of(played, StoredForm(save_typing=True, old_server=old_server), auto_save)
        for offset, text in enumerate(texts, 1):
            shard.fold(*of_text(text, final=offset == len(texts), offset=offset))
        assert_each_once(shard, played)
        assert len(shard.certificates()) == 1


def test_what_a_server_lost_in_a_fail_over_was_seen_live_and_stays() -> None:
    for number in NUMBERS:
        played = played_chat(SETTINGS, number, START, RestorePlan(lose_last=3))
        live = seen(played.events)
        shard = RecordedShard()
        shard.fold(history(*live[:5]), push(*live[5:], over=True))
        [text] = texts_of(played, StoredForm())
        shard.fold(*of_text(text))
        assert_each_once(shard, played)
