from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.chatserver.versions import (
    HIGHEST,
    LOWEST,
    TABLE,
    Row,
    carries_event,
    negotiate,
    since,
    withhold,
    withhold_from_transcript,
)
from bridge.transcript.events import ChatEvent, ChatTranscript, Item, MessageText, NoticeText, UserInfo
from tests.strategies import chat_events, chat_transcripts

VERSIONS = range(LOWEST, HIGHEST + 1)
KNOWN_NOTICES = st.sampled_from([row.name for row in TABLE if row.feature == "notice type"])
KNOWN_USERS = st.sampled_from([row.name for row in TABLE if row.feature == "user type"])
KNOWN_PROTOCOLS = st.sampled_from([row.name for row in TABLE if row.feature == "protocol type"])
VERSIONED_EVENTS = st.one_of(
    chat_events(),
    st.builds(
        ChatEvent,
        st.just("notice"),
        st.integers(1, 99),
        notice_text=st.builds(NoticeText, KNOWN_NOTICES),
        user_data=st.sampled_from([[], [Item("a")]]),
        event_attributes=st.sampled_from([[], [Item("a")]]),
    ),
    st.builds(
        ChatEvent,
        st.just("newParty"),
        st.integers(1, 99),
        user_info=st.builds(UserInfo, user_type=KNOWN_USERS, protocol_type=KNOWN_PROTOCOLS),
    ),
)


def shown(event: ChatEvent, version: int) -> set[str]:
    """What of an event a version sees."""
    seen = withhold(event, version)
    if seen is None:
        return set()
    parts = {"event"}
    parts |= {"userData"} if seen.user_data else set()
    return parts | ({"eventAttributes"} if seen.event_attributes else set())


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.feature} {row.name}")
def test_each_row_has_a_known_version_and_a_source(row: Row) -> None:
    assert row.version in VERSIONS
    assert re.match(rf"D1 row {row.version}\b", row.source)
    assert since(row.feature, row.name) == row.version


def test_no_feature_is_in_the_table_twice() -> None:
    assert len({(row.feature, row.name) for row in TABLE}) == len(TABLE)


@given(VERSIONED_EVENTS, st.sampled_from(VERSIONS[:-1]))
def test_what_a_version_sees_the_next_one_sees_too(event: ChatEvent, version: int) -> None:
    assert shown(event, version) <= shown(event, version + 1)


@given(VERSIONED_EVENTS)
def test_the_highest_version_sees_everything(event: ChatEvent) -> None:
    assert withhold(event, HIGHEST) == event


@given(st.lists(VERSIONED_EVENTS, max_size=5), st.sampled_from(VERSIONS))
def test_withholding_never_renumbers_nor_reorders(events: list[ChatEvent], version: int) -> None:
    transcript = ChatTranscript("S", chat_event_list=events)
    kept = withhold_from_transcript(transcript, version).chat_event_list
    assert [event.event_id for event in kept] == [e.event_id for e in events if carries_event(e, version)]


@given(chat_transcripts(), st.sampled_from(VERSIONS), st.sampled_from(VERSIONS))
def test_withholding_twice_is_withholding_for_the_lower_version(
    transcript: ChatTranscript, one: int, other: int
) -> None:
    twice = withhold_from_transcript(withhold_from_transcript(transcript, one), other)
    assert twice == withhold_from_transcript(transcript, min(one, other))


@pytest.mark.parametrize(
    ("event", "first"),
    [
        (ChatEvent("message", 1, message_text=MessageText("x")), 101),
        (ChatEvent("notice", 1, notice_text=NoticeText("USER_CUSTOM")), 101),
        (ChatEvent("notice", 1, notice_text=NoticeText("USER_UPDATE_NICK")), 102),
        (ChatEvent("notice", 1, notice_text=NoticeText("IDLE_CONTROL_ALERT")), 103),
        (ChatEvent("notice", 1, notice_text=NoticeText("SYS_COMMAND")), 104),
        (ChatEvent("notice", 1, notice_text=NoticeText("OF_VERSION_107")), 101),
        (ChatEvent("notice", 1), 101),
        (ChatEvent("newParty", 1, user_info=UserInfo(user_type="CLIENT", protocol_type="FLEX")), 101),
        (ChatEvent("newParty", 1, user_info=UserInfo(user_type="SYSTEM")), 103),
        (ChatEvent("newParty", 1, user_info=UserInfo(user_type="AGENT", protocol_type="NONE")), 103),
        (ChatEvent("newParty", 1), 101),
        (ChatEvent("partyLeft", 1), 101),
        (ChatEvent("of107", 1), 101),
    ],
)
def test_an_event_is_sent_from_its_version_on(event: ChatEvent, first: int) -> None:
    assert [version for version in VERSIONS if withhold(event, version) is not None] == list(range(first, 107))


@pytest.mark.parametrize(
    ("event_type", "attribute", "first"),
    [("notice", "user_data", 104), ("newParty", "user_data", 101), ("message", "event_attributes", 106)],
)
def test_an_attribute_is_sent_from_its_version_on(event_type: str, attribute: str, first: int) -> None:
    event = ChatEvent(event_type, 1, **{attribute: [Item("a")]})  # type: ignore[arg-type]  # one of two list fields
    seen = [version for version in VERSIONS if (kept := withhold(event, version)) and getattr(kept, attribute)]
    assert seen == list(range(first, 107))


@pytest.mark.parametrize(("attribute", "value", "first"), [("idle_time_expire", 60, 103), ("monitored", True, 105)])
def test_a_transcript_attribute_is_sent_from_its_version_on(attribute: str, value: object, first: int) -> None:
    transcript = ChatTranscript("S", **{attribute: value})  # type: ignore[arg-type]  # one of two fields
    seen = [v for v in VERSIONS if getattr(withhold_from_transcript(transcript, v), attribute) is not None]
    assert seen == list(range(first, 107))


def test_both_sides_speak_the_lower_version() -> None:
    assert (negotiate(106, 104), negotiate(102, 106), negotiate(106, 106)) == (104, 102, 106)
