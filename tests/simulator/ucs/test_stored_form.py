"""Live and stored side of one chat: each documented difference."""

from __future__ import annotations

import msgspec
import pytest

from bridge.archive import ucs_xml
from bridge.simulator.harness.ledger import visible_to_monitor
from bridge.simulator.model.restoration import RestorePlan
from bridge.simulator.traffic.scenario import ScenarioSettings
from bridge.simulator.ucs.played_chats import PlayedChat, played_chat
from bridge.simulator.ucs.saved_chats import IN_PROCESS, STOPPED, SavedChats, SavedRow
from bridge.simulator.ucs.stored_form import StoredForm
from bridge.transcript.events import MESSAGE, NEW_PARTY, ChatEvent, find

SETTINGS = ScenarioSettings(seed=7, mean_events=40)
START = 1_930_000_000.0


def rows_of(played: PlayedChat, form: StoredForm | None = None, auto_save: int = 0) -> list[SavedRow]:
    saved = SavedChats(form or StoredForm(), auto_save)
    return [row for at, effect in played.effects for row in saved.rows(effect, at)]


def events_in(row: SavedRow) -> list[ChatEvent]:
    assert row.text is not None
    read = ucs_xml.read(row.text.encode(), row.session_id)
    assert not read.notes
    assert read.transcript.session_id == row.session_id
    return read.transcript.chat_event_list


def chats(count: int = 20) -> list[PlayedChat]:
    return [played_chat(SETTINGS, number, START + number) for number in range(count)]


def is_typing(event: ChatEvent) -> bool:
    return event.notice_text is not None and event.notice_text.notice_type.startswith("TYPING")


def test_the_same_seed_gives_the_same_chat() -> None:
    first, second = (played_chat(SETTINGS, 3, START) for _ in range(2))
    assert first == second
    assert first != played_chat(SETTINGS, 4, START)


def test_what_is_stored_is_what_was_sent_without_typing_and_with_direct_messages() -> None:
    direct = typing = 0
    for played in chats():
        stored = {event.event_id: event for event in events_in(rows_of(played)[-1])}
        for event in played.events:
            if is_typing(event):
                typing += 1
                assert event.event_id not in stored
                continue
            direct += not visible_to_monitor(event)
            assert stored.pop(event.event_id).user_id == event.user_id
        assert not stored
    assert direct
    assert typing


def test_apart_from_that_the_events_are_equal_but_for_the_amended_file_notices() -> None:
    amended = 0
    for played in chats():
        live = {event.event_id: event for event in played.events}
        for event in events_in(rows_of(played)[-1]):
            if event == live[event.event_id]:
                continue
            amended += 1
            assert find(event.user_data, "file-deleted") == "true"
            data = [item for item in event.user_data if item.key != "file-deleted"]
            assert msgspec.structs.replace(event, user_data=data) == live[event.event_id]
    assert amended


def test_typing_is_stored_where_the_site_wants_it() -> None:
    played = next(each for each in chats() if any(map(is_typing, each.events)))
    assert [e.event_id for e in events_in(rows_of(played, StoredForm(save_typing=True))[-1])] == [
        event.event_id for event in played.events
    ]


@pytest.mark.parametrize(
    ("masking", "while_it_runs", "at_the_end"),
    [("none", False, False), ("history-final", False, True), ("history-all", True, True)],
)
def test_digits_are_masked_at_the_end_or_at_every_save(masking: str, while_it_runs: bool, at_the_end: bool) -> None:
    def has_digit(row: SavedRow) -> bool:
        texts = [
            event.message_text.text for event in events_in(row) if event.event_type == MESSAGE and event.message_text
        ]
        return any(char.isdigit() for text in texts for char in text)

    form = StoredForm(masking=masking)  # type: ignore[arg-type]
    rows = [row for played in chats() for row in rows_of(played, form, 1) if row.text is not None]
    assert any(has_digit(row) for row in rows if row.status == IN_PROCESS) is not while_it_runs
    assert any(has_digit(row) for row in rows if row.status == STOPPED) is not at_the_end


def test_the_oldest_servers_leave_attributes_out() -> None:
    texts = [rows_of(played, StoredForm(old_server=True))[-1].text or "" for played in chats()]
    assert not any(word in text for text in texts for word in (" type=", "clientVersion", "treatAs"))
    for played in chats(5):
        stored = events_in(rows_of(played, StoredForm(old_server=True))[-1])
        customer = next(event for event in stored if event.event_type == NEW_PARTY)
        assert find(customer.user_data, "FirstName") == "Visitor"


@pytest.mark.parametrize("auto_save", [0, 1, 2])
def test_a_text_is_stored_at_the_end_or_after_every_message(auto_save: int) -> None:
    for played in chats(10):
        first, *running, last = rows_of(played, auto_save=auto_save)
        assert (first.status, first.text, first.end) == (IN_PROCESS, None, None)
        assert (last.status, last.end) == (STOPPED, last.modified)
        messages = sum(event.event_type == MESSAGE for event in played.events)
        assert len(running) == (messages if auto_save else 0)
        lengths = [len(events_in(row)) for row in running]
        assert lengths == sorted(lengths)


def test_what_was_lost_in_a_fail_over_was_sent_and_is_never_stored() -> None:
    lost = 0
    for number in range(20):
        played = played_chat(SETTINGS, number, START, RestorePlan(lose_last=3))
        sent = [event.event_id for event in played.events]
        stored = [event.event_id for event in events_in(rows_of(played)[-1])]
        assert len(stored) == len(set(stored))
        assert set(played.lost) <= set(sent)
        assert not set(played.lost) & set(stored)
        lost += len(played.lost)
    assert lost


def test_ids_that_were_used_again_after_a_fail_over_hold_the_later_event() -> None:
    played = played_chat(SETTINGS, 2, START, RestorePlan(lose_last=3, continue_ids=False))
    last = {event.event_id: event for event in played.events}
    stored = events_in(rows_of(played)[-1])
    assert set(played.lost) & {event.event_id for event in stored}
    assert all(event.user_id == last[event.event_id].user_id for event in stored)
