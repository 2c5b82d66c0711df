"""A party's name is that of the newest event that sets it, by event id, in whatever order events arrive."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bridge.transcript.events import ChatEvent, Item, NoticeText
from bridge.transcript.fold import Transcript
from tests.transcript.build import ALICE, fresh, history, joined, push, said


def renamed(event_id: int, name: str) -> ChatEvent:
    return ChatEvent("notice", event_id, ALICE, notice_text=NoticeText("USER_UPDATE_NICK", name))


JOINED_WITH_MORE = msgspec.structs.replace(joined(1), user_data=[Item("k", value="v")])


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    ("updates", "name"),
    [
        ((history(joined(1)), push(renamed(5, "Third")), push(renamed(3, "Second"))), "Third"),
        ((history(joined(1)), push(renamed(2, "Uno")), push(JOINED_WITH_MORE)), "Uno"),
        ((push(renamed(5, "Third")), push(joined(1))), "Third"),
        ((push(renamed(5, "Third")), push(joined(7, nickname="Fourth"))), "Fourth"),
        ((push(joined(7, nickname="Fourth")), push(renamed(5, "Third"))), "Fourth"),
        ((history(joined(1)), push(renamed(5, "Third")), push(renamed(5, "Thrid"))), "Thrid"),
        ((history(joined(1)), push(renamed(5, "Third")), push(joined(3)), push(renamed(4, "Late"))), "Third"),
    ],
)
def test_the_name_of_a_party_is_that_of_the_newest_event_that_sets_it(
    updates: tuple[Any, ...], name: str, restart: bool
) -> None:
    chat = fresh()
    for update in updates:
        chat.apply(update)
        if restart:
            chat = Transcript(chat.state())
    [entry] = chat.apply(push(said(90)))
    assert entry.party is not None
    assert entry.party.nickname == name


def test_a_late_join_tells_all_of_a_party_but_a_newer_name() -> None:
    chat = fresh()
    chat.apply(push(renamed(5, "Third")))
    [late] = chat.apply(push(joined(1, nickname="First", user_type="AGENT")))
    assert late.party is not None
    assert late.party.nickname == "First"  # the record of the join says what the join said
    assert [(party.nickname, party.user_type) for party in chat.state().parties] == [("Third", "AGENT")]


def test_an_older_join_changes_nothing_that_a_newer_one_has_set() -> None:
    chat = fresh()
    chat.apply(push(joined(6, user_type="SUPERVISOR")))
    chat.apply(push(joined(2, nickname="Old")))
    assert [(party.nickname, party.user_type) for party in chat.state().parties] == [("Visitor", "SUPERVISOR")]
