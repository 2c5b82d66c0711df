from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.commands.formatting import HEADER, columns_of, escaped, event_line, shortened

EVENT: dict[str, Any] = {
    "sessionId": "0000SIMA00000001",
    "sequence": 6,
    "kind": "MESSAGE",
    "occurredAt": 1_930_384_812_000,
    "observedAt": 1_930_384_812_345_678,
    "visibility": "ALL",
    "party": {"userId": "00A1", "nickname": "Visitor One", "userType": "CLIENT"},
    "message": {"text": "my order number is 42"},
    "notice": None,
    "file": None,
    "departure": None,
    "gap": None,
    "amends": None,
}


def test_an_event_stands_under_the_header() -> None:
    line = event_line(EVENT, 120)
    assert line == "10:00:12     0000SIMA00000001     6 MESSAGE      Visitor One        ALL     my order number is 42"
    for title, value in (("chat", "0000SIMA"), ("kind", "MESSAGE"), ("party", "Visitor"), ("text", "my order")):
        assert HEADER.index(title) == line.index(value)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (
            {"message": None, "notice": {"noticeType": "USER_PUSHED_URL", "text": "https://x"}},
            "[USER_PUSHED_URL] https://x",
        ),
        ({"message": None, "departure": {"reasonText": "removed"}}, "removed"),
        ({"message": None, "departure": {"reasonText": None}}, "left"),
        ({"amends": "s:6"}, "(amended) my order"),
        ({"message": None, "kind": "PARTY_JOINED"}, "(CLIENT)"),
        (
            {
                "message": None,
                "party": None,
                "gap": {"fromEventId": 4, "toEventId": 7, "code": "UNREADABLE", "detail": None},
            },
            "missing ids 4 to 7: UNREADABLE",
        ),
        (
            {
                "message": None,
                "party": None,
                "gap": {"fromEventId": None, "toEventId": None, "code": "NEVER_JOINED", "detail": "no server"},
            },
            "missing: NEVER_JOINED (no server)",
        ),
    ],
)
def test_each_kind_says_what_it_is_about(change: dict[str, Any], shown: str) -> None:
    assert shown in event_line({**EVENT, **change}, 160)


def test_an_unknown_time_is_shown_as_seen_and_an_impossible_one_as_a_question_mark() -> None:
    assert event_line({**EVENT, "occurredAt": None}, 120).startswith("10:00:12")
    assert event_line({**EVENT, "occurredAt": 1 << 60}, 120).startswith("?")


@given(st.text(max_size=60), st.text(max_size=30), st.integers(20, 200))
def test_whatever_people_write_the_line_is_one_line_of_visible_characters(text: str, nick: str, columns: int) -> None:
    event = {**EVENT, "message": {"text": text}, "party": {**EVENT["party"], "nickname": nick}}
    line = event_line(event, columns)
    assert line.isprintable()
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\u202eevil", "\u2028", "\x9b31m", "\udc80"])
def test_what_a_terminal_would_obey_is_spelled_out(text: str) -> None:
    assert escaped(text).isprintable()
    assert "\\" in escaped(text)


@given(st.text(max_size=80).map(escaped), st.integers(2, 40))
@example("0\u2795\u1ab00", 3)
def test_a_cut_text_fits(text: str, columns: int) -> None:
    assert 0 <= columns_of(shortened(text, columns)) <= columns


@pytest.mark.parametrize(
    ("text", "columns", "shown"),
    [
        ("plain", 5, "plain"),
        ("plain", 4, "pla…"),
        ("日本語", 6, "日本語"),
        ("日本語", 5, "日本…"),
        ("日本語", 4, "日…"),
        ("e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
        ("❤\ufe0f❤\ufe0f", 4, "❤\ufe0f❤\ufe0f"),  # the selector makes an emoji of two columns
        ("❤\ufe0f❤\ufe0f", 3, "❤\ufe0f…"),
        ("👍🏽👍🏽", 4, "👍🏽👍🏽"),  # a skin tone takes no columns of its own
        ("👍🏽👍🏽", 3, "👍🏽…"),
        ("🇩🇪🇫🇷", 3, "🇩🇪…"),
        ("", 5, ""),
    ],
)
def test_a_text_is_cut_between_what_people_see_as_characters(text: str, columns: int, shown: str) -> None:
    assert shortened(text, columns) == shown


NICKS = st.text(st.one_of(st.characters(), st.sampled_from("日本e\u0301\u20dd\ufe0f\u200d❤👍🏽🇩🇪\x1b\u202e\u200b\x00")))


@given(NICKS, NICKS)
@example("日本語の名前です長い名前", "👩\u200d💻")
@example("\u0301\u0301", "\u1160\u11a8")
def test_whatever_the_cells_hold_the_next_column_stands_under_its_title(nick: str, chat: str) -> None:
    event = {**EVENT, "sessionId": chat, "party": {**EVENT["party"], "nickname": nick, "userId": "7"}}
    line = event_line(event, 200)
    for title, value in (("kind", "MESSAGE      "), ("seen by", "ALL     my order"), ("text", "my order")):
        assert columns_of(line[: line.rindex(value)]) == HEADER.index(title)


@pytest.mark.parametrize(
    ("text", "columns", "cut"),
    [
        ("0\u2795\u1ab00", 3, "0…"),  # a wide character, a mark without columns, one column too many
        ("abcd", 3, "ab…"),
        ("abc", 3, "abc"),
        ("\u4e2d\u4e2d", 3, "\u4e2d…"),
        ("\u4e2d\u4e2d", 2, "…"),
        ("e\u0301e\u0301e\u0301", 2, "e\u0301…"),
    ],
)
def test_a_text_is_cut_before_the_last_column_and_marks_stay_with_their_letter(
    text: str, columns: int, cut: str
) -> None:
    assert shortened(text, columns) == cut


def test_marks_without_columns_do_not_make_a_line_endless() -> None:
    assert len(shortened("e" + "\u0301" * 10_000, 20)) <= 82
