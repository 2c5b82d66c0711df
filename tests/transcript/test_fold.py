"""The fold: any mixture of histories and increments becomes each event once, and what is missing is said."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import Problem
from bridge.transcript import entries as kinds
from bridge.transcript.entries import ARCHIVE, CHAT_SERVER, UCS, Gap
from bridge.transcript.events import ChatEvent, Item
from bridge.transcript.fold import Transcript
from bridge.transcript.gap_codes import NOT_IN_REPLAY, TOO_LARGE, UNREADABLE
from bridge.transcript.parties import MAX_PARTIES
from bridge.transcript.updates import Damaged, TranscriptUpdate
from tests.transcript.build import ALICE, fresh, history, joined, left, noticed, push, said


def ids(entries: list[kinds.Entry]) -> list[int]:
    return [entry.event.event_id for entry in entries if entry.event is not None]


def kinds_of(entries: list[kinds.Entry]) -> list[str]:
    return [entry.kind for entry in entries]


def test_what_an_update_that_was_undone_said_of_the_session_is_taken_from_the_next_one() -> None:
    chat = fresh()
    chat.apply(history(joined(1)))
    chat.mark()
    chat.apply(push(said(2), version=105))
    chat.undo()
    assert chat.facts.client_version == 106
    chat.apply(push(said(2), version=105))
    assert chat.facts.client_version == 105
    assert (chat.seldom().watch.lowest_version, chat.seldom().watch.highest_version) == (105, 106)


def test_a_history_comes_out_in_order_as_replay_and_an_increment_as_live() -> None:
    chat = fresh()
    first = chat.apply(history(joined(1), said(2)))
    second = chat.apply(push(said(4)))
    assert [(e.kind, e.sequence, e.origin) for e in first + second] == [
        (kinds.PARTY_JOINED, 1, kinds.REPLAY),
        (kinds.MESSAGE, 2, kinds.REPLAY),
        (kinds.MESSAGE, 3, kinds.LIVE),
    ]


def test_an_event_that_is_seen_again_with_the_same_content_is_no_news() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    assert chat.apply(push(said(2))) == []


def test_a_hole_that_is_filled_later_is_published_and_marked_as_late() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(5)))
    [late] = chat.apply(push(said(3)))
    assert (late.event, late.origin, late.sequence) == (said(3), kinds.REPLAY, 3)


def test_a_peer_that_lists_ids_out_of_order_does_not_reorder_the_chat() -> None:
    assert ids(fresh().apply(push(said(9), said(7), joined(1)))) == [1, 7, 9]


def test_other_content_under_a_delivered_id_is_an_amendment_each_time_it_changes() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2, "first")))
    [once] = chat.apply(push(said(2, "second")))
    [twice] = chat.apply(push(said(2, "third")))
    assert (once.amendment, twice.amendment) == (1, 2)
    assert chat.apply(push(said(2, "third"))) == []
    assert chat.certificate().amendments == 2


def test_a_history_that_only_masks_characters_is_counted_and_not_published() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2, "my card is 4111111111111111 thanks")))
    again = chat.apply(history(joined(1), said(2, "my card is **************** thanks")))
    assert kinds_of(again) == [kinds.RESUMED]
    assert chat.certificate().masked == 1


def test_a_text_that_changes_beyond_its_mask_is_an_amendment() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2, "my card is 4111111111111111 thanks")))
    again = chat.apply(history(joined(1), said(2, "my card is **************** plenty")))
    assert kinds_of(again) == [kinds.RESUMED, kinds.MESSAGE]


def test_a_rejoin_at_a_lower_version_is_compared_on_what_both_versions_carry() -> None:
    chat = fresh()
    rich = msgspec.structs.replace(joined(1), event_attributes=[Item("GCTI_SYSTEM", "kvlist", [Item("a", value="b")])])
    chat.apply(history(rich))
    assert kinds_of(chat.apply(history(joined(1), version=105))) == [kinds.RESUMED]
    assert kinds_of(chat.apply(history(joined(1), version=106))) == [kinds.RESUMED, kinds.PARTY_JOINED]


def test_a_rejoin_says_resumed_and_names_the_ids_its_replay_does_not_hold() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    chat.away(1_700_000)
    entries = chat.apply(history(joined(1), said(2), said(5), said(8)))
    assert kinds_of(entries) == [kinds.RESUMED, kinds.GAP, kinds.MESSAGE, kinds.GAP, kinds.MESSAGE]
    gaps = [entry.gap for entry in entries if entry.gap]
    assert [(g.from_event_id, g.to_event_id, g.since, g.code) for g in gaps] == [
        (3, 4, 1_700_000, NOT_IN_REPLAY),
        (6, 7, 1_700_000, NOT_IN_REPLAY),
    ]
    assert chat.certificate().verdict == kinds.INCOMPLETE


def test_a_hole_while_joined_is_legitimate_and_visible_in_the_certificate_only() -> None:
    chat = fresh()
    chat.apply(history(joined(1)))
    assert kinds_of(chat.apply(push(said(4, user_id="00B1")))) == [kinds.MESSAGE]
    certificate = chat.certificate()
    assert certificate.verdict == kinds.COMPLETE_WITH_EXPECTED_HOLES
    assert certificate.id_ranges == [(1, 1), (4, 4)]


def test_a_damaged_event_is_a_gap_with_its_id_and_the_rest_is_delivered() -> None:
    chat = fresh()
    seen = history(joined(1), said(3))
    seen.damaged = [Damaged(b"{}", "wrong type", 2)]
    entries = chat.apply(seen)
    assert ids(entries) == [1, 3]
    assert [(e.gap.from_event_id, e.gap.code) for e in entries if e.gap] == [(2, UNREADABLE)]
    assert chat.certificate().quarantined == 1


def test_a_damaged_event_at_the_end_of_a_replay_leaves_no_hole_unsaid() -> None:
    chat = fresh()
    chat.apply(history(joined(1)))
    seen = history(joined(1), said(3))
    seen.damaged = [Damaged(b"{}", "wrong type", 6)]
    gaps = [(e.gap.from_event_id, e.gap.to_event_id) for e in chat.apply(seen) if e.gap]
    assert gaps == [(2, 2), (4, 5), (6, 6)]


def test_a_party_that_was_never_announced_is_known_by_its_id_alone() -> None:
    [entry] = fresh().apply(push(said(1, user_id="00FF")))
    assert entry.party == kinds.Party("00FF")


def test_a_new_nickname_holds_from_the_next_event_on() -> None:
    chat = fresh()
    entries = chat.apply(history(joined(1, nickname="Ada"), noticed(2, "USER_UPDATE_NICK", "Bea"), said(3)))
    assert [entry.party.nickname for entry in entries if entry.party] == ["Ada", "Ada", "Bea"]


def test_an_unknown_event_type_passes_as_data() -> None:
    [entry] = fresh().apply(push(ChatEvent("reaction", 1, ALICE, unknown_attributes={"emoji": "wave"})))
    assert entry.kind == kinds.UNKNOWN


def test_a_flood_of_parties_stays_bounded() -> None:
    chat = fresh()
    chat.apply(history(*(joined(n, user_id=f"{n:016x}") for n in range(1, MAX_PARTIES + 50))))
    assert len(chat.state().parties) == MAX_PARTIES


def test_an_entry_that_cannot_be_published_becomes_a_gap_in_its_place() -> None:
    chat = fresh()
    [entry] = chat.apply(push(said(7)))
    chat.withdraw(entry, Problem(TOO_LARGE, "2 MB"))
    assert (entry.kind, entry.sequence, entry.event) == (kinds.GAP, 1, None)
    assert entry.gap is not None
    assert entry.gap == Gap(7, 7, None, TOO_LARGE, "2 MB")
    assert chat.certificate().counts == {kinds.GAP: 1}
    assert chat.certificate().id_ranges == []


def test_the_session_attributes_follow_the_latest_word() -> None:
    chat = fresh()
    seen = history(joined(1))
    seen.transcript = msgspec.structs.replace(seen.transcript, monitored="true", idle_time_expire=3600)
    chat.apply(seen)
    chat.apply(push(said(2)))
    assert chat.facts.monitored is True
    assert chat.facts.idle_time_expire == "3600"
    assert chat.facts.client_version == 106


def test_descending_times_and_ids_after_a_restoration_are_data_not_a_silent_merge() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2, "before the crash"), said(3, "lost with the node")))
    entries = chat.apply(history(joined(1), said(2, "before the crash"), left(3), server="chat-2:4800"))
    assert kinds_of(entries) == [kinds.RESUMED, kinds.PARTY_LEFT]
    assert entries[1].amendment == 1
    assert chat.facts.server == "chat-2:4800"


EVENTS = [joined(1), *(said(n, f"text {n}") for n in (2, 3, 5, 8, 13, 14)), left(21)]


@given(data=st.data())
def test_any_interleaving_of_histories_and_increments_delivers_each_event_once(data: st.DataObject) -> None:
    chat = fresh()
    out: list[kinds.Entry] = []
    upto = data.draw(st.integers(0, len(EVENTS)))
    seen: list[TranscriptUpdate] = [history(*EVENTS[:upto])]
    for _ in range(data.draw(st.integers(0, 6))):
        low = data.draw(st.integers(0, len(EVENTS)))
        high = data.draw(st.integers(low, len(EVENTS)))
        part = data.draw(st.permutations(EVENTS[low:high]))
        seen.append(history(*EVENTS[:high]) if data.draw(st.booleans()) else push(*part))
    seen.append(history(*EVENTS, over=True))
    for at, one in enumerate(seen):
        if data.draw(st.booleans()):  # a restart between any two inputs changes nothing
            chat = Transcript(chat.state())
        out += chat.apply(one)
        assert [e.sequence for e in out] == list(range(1, len(out) + 1)), at
    assert sorted(ids(out)) == [event.event_id for event in EVENTS]
    assert not any(entry.amendment for entry in out)
    live = [entry.event.event_id for entry in out if entry.event and entry.origin == kinds.LIVE]
    assert live == sorted(live)
    assert list(chat.delivered) == sorted(ids(out))


def test_a_state_goes_through_a_restart_unchanged() -> None:
    chat = fresh()
    chat.apply(history(joined(1), said(2)))
    chat.away(5)
    chat.apply(history(joined(1), said(2, "other"), said(9)))
    assert Transcript(chat.state()).state() == chat.state()


def test_the_door_that_an_update_came_through_is_that_of_its_events_and_may_change() -> None:
    chat = fresh()
    assert chat.facts.source == CHAT_SERVER
    stored = replace(history(joined(1), said(2)), source=UCS)
    chat.apply(stored, origin=ARCHIVE)
    assert chat.facts.source == UCS
    chat.apply(push(said(3)))
    assert chat.facts.source == CHAT_SERVER
    assert Transcript(chat.state()).facts == chat.facts
