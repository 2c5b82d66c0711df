from __future__ import annotations

import contextlib
import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from bridge.addresses import split_address
from bridge.announcement import MAX_BYTES, Announcement, encode, merged, parse
from bridge.errors import UnreadableAnnouncement

SMALLEST = {"sessionId": "0000SIMA00000001", "host": "chat-1.example", "port": 4800}
IDS = st.text("abcXYZ019_.:~-", min_size=1, max_size=64)
USER_DATA = st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.integers(-9, 9) | st.booleans(), max_size=4)


def test_the_smallest_announcement_has_an_id_and_an_address() -> None:
    announcement = parse(json.dumps(SMALLEST).encode())
    assert announcement == Announcement(session_id="0000SIMA00000001", host="chat-1.example", port=4800)
    assert announcement.places() == ["chat-1.example:4800"]


def test_unknown_fields_pass() -> None:
    assert parse(json.dumps({**SMALLEST, "later": {"deep": [1]}}).encode()).session_id == SMALLEST["sessionId"]


@given(session_id=IDS, user_data=USER_DATA, password=st.none() | st.text(max_size=20))
def test_what_is_encoded_is_parsed_back(
    session_id: str, user_data: dict[str, str | int | float | bool], password: str | None
) -> None:
    announcement = Announcement(
        session_id=session_id, host="::1", port=1, servers=["b:2"], user_data=user_data, password=password
    )
    assert parse(encode(announcement)) == announcement


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_an_announcement_or_unreadable_and_nothing_else(data: bytes) -> None:
    with contextlib.suppress(UnreadableAnnouncement):
        parse(data)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sessionId": "two words"}, "sessionId"),
        ({"sessionId": ""}, "sessionId"),
        ({"sessionId": "x" * 65}, "sessionId"),
        ({"sessionId": "line\n"}, "sessionId"),
        ({"host": "a b"}, "host"),
        ({"host": "[::1]"}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": "4800"}, "port"),
        ({"servers": ["chat-2"]}, "servers"),
        ({"servers": ["chat-2:4800"] * 33}, "servers"),
        ({"servers": "chat-2:4800"}, "servers"),
        ({"userData": {"k": {"nested": 1}}}, "userData"),
        ({"password": 7}, "password"),
    ],
)
def test_a_refusal_names_the_field(change: dict[str, object], named: str) -> None:
    with pytest.raises(UnreadableAnnouncement, match=named):
        parse(json.dumps({**SMALLEST, **change}).encode())


@pytest.mark.parametrize("missing", ["sessionId", "host", "port"])
def test_a_missing_field_is_named(missing: str) -> None:
    with pytest.raises(UnreadableAnnouncement, match=missing):
        parse(json.dumps({key: value for key, value in SMALLEST.items() if key != missing}).encode())


def test_all_wrong_values_of_a_kind_are_named_at_once() -> None:
    with pytest.raises(UnreadableAnnouncement, match=r"sessionId.*host.*port"):
        parse(b'{"sessionId": "", "host": "", "port": -1}')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"\xff\xfe",
        b'{"sessionId": "\xff"}',
        b'{"sessionId": "s3cret", "host": "s3cret host", "port": "s3cret", "password": ["s3cret"]}',
        b'{"sessionId": "s3cret',
        b'{"x":' + b"[" * 20_000,
    ],
)
def test_a_refusal_never_shows_a_value(data: bytes) -> None:
    with pytest.raises(UnreadableAnnouncement) as caught:
        parse(data)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_an_oversized_announcement_is_neither_read_nor_written() -> None:
    padded = json.dumps({**SMALLEST, "password": "t" * MAX_BYTES}).encode()
    with pytest.raises(UnreadableAnnouncement, match="at most"):
        parse(padded)
    with pytest.raises(UnreadableAnnouncement, match="at most"):
        encode(Announcement(session_id="a", host="b", port=1, password="t" * MAX_BYTES))


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="userData: expected finite numbers"):
        Announcement(session_id="a", host="b", port=1, user_data={"k": float("nan")})
    with pytest.raises(UnreadableAnnouncement, match="no Unicode"):
        encode(Announcement(session_id="a", host="b", port=1, password="\ud800"))


def test_its_representation_does_not_hold_the_password() -> None:
    announcement = Announcement(session_id="a", host="b", port=1, password="hidden", user_data={"k": "hidden"})
    assert "hidden" not in repr(announcement)


def test_each_address_is_given_once_and_the_announced_one_first() -> None:
    announcement = Announcement(session_id="a", host="::1", port=1, servers=["b:2", "[::1]:1", "b:2", "c:3"])
    assert announcement.places() == ["[::1]:1", "b:2", "c:3"]


def test_an_address_splits_into_host_and_port() -> None:
    assert split_address("chat.example:4800") == ("chat.example", 4800)
    assert split_address("[2001:db8::1]:4800") == ("2001:db8::1", 4800)


@pytest.mark.parametrize("wrong", ["", ":", "h", "h:", "h:0", "h:٣", "::1:4800", "[h]:1", "[::1]", "h:99999999999"])
def test_what_is_no_address_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"expected|brackets"):
        split_address(wrong)


# --- a later announcement of the same chat ----------------------------------------------------------------------------

LONG = st.sampled_from(["", "x" * 40_000, "\\" * 20_000])


@st.composite
def announcements(draw: st.DrawFn) -> Announcement:
    """Announcements of one chat; large ones that do not fit together are among them."""
    user_data: dict[str, str | int | float | bool] = dict(draw(USER_DATA))
    if draw(st.booleans()):
        user_data = {**user_data, draw(st.text(max_size=3)): draw(LONG)}
    return Announcement(
        session_id="0000SIMA00000001",
        host=draw(st.sampled_from(["chat-1", "chat-2", "::1"])),
        port=draw(st.integers(1, 65_535)),
        servers=draw(st.lists(st.sampled_from(["a:1", "b:2", "c:3"]), max_size=3)),
        password=draw(st.none() | st.just("") | st.text(max_size=9) | st.just("p" * 30_000)),
        tenant=draw(st.none() | st.text(max_size=9)),
        user_data=user_data,
        announced_at=draw(st.none() | st.integers(0, 9)),
    )


def fits(announcement: Announcement) -> bool:
    with contextlib.suppress(UnreadableAnnouncement):
        return bool(encode(announcement))
    return False


@given(older=announcements(), newer=announcements().filter(fits))
@example(  # the password of the one and the user data of the other are too large together
    older=Announcement(session_id="0000SIMA00000001", host="chat-1", port=1, password="p" * 30_000),
    newer=Announcement(session_id="0000SIMA00000001", host="chat-1", port=1, user_data={"": "x" * 40_000}),
)
def test_a_later_announcement_says_what_it_says_and_keeps_what_it_does_not(
    older: Announcement, newer: Announcement
) -> None:
    both = merged(older, newer)
    assert parse(encode(both)) == both
    assert (both.session_id, both.host, both.port) == (newer.session_id, newer.host, newer.port)
    everything = replace(
        newer,
        password=newer.password or older.password,
        tenant=newer.tenant or older.tenant,
        servers=newer.servers or older.servers,
        user_data={**older.user_data, **newer.user_data},
    )
    for name in ("password", "tenant", "servers"):  # null and empty are the same
        said, kept, result = (getattr(one, name) or None for one in (newer, older, both))
        assert result == said if said else result in (kept, None)
        assert result == (said or kept) or not fits(everything)  # only what is too large together is left out
    assert newer.user_data.items() <= both.user_data.items()
    assert all(value == older.user_data[key] for key, value in both.user_data.items() if key not in newer.user_data)


@given(announcements().filter(fits))
def test_an_announcement_that_comes_again_changes_nothing(announcement: Announcement) -> None:
    assert merged(announcement, announcement) == announcement


def test_what_is_null_or_empty_is_not_said() -> None:
    older = Announcement(session_id="a", host="h", port=1, servers=["b:2"], password="open", tenant="North")
    newer = parse(b'{"sessionId":"a","host":"i","port":2,"servers":[],"password":null,"tenant":""}')
    assert merged(older, newer) == Announcement(
        session_id="a", host="i", port=2, servers=["b:2"], password="open", tenant="North"
    )


def test_of_what_does_not_fit_the_older_user_data_go_first_and_the_password_last() -> None:
    older = Announcement(
        session_id="a", host="h", port=1, servers=["b:2"], password="p" * 30_000, tenant="North", user_data={"k": "old"}
    )
    room = MAX_BYTES - len(encode(msgspec.structs.replace(older, user_data={"n": ""})))
    small = Announcement(session_id="a", host="h", port=1, user_data={"n": "x" * room})
    assert merged(older, small) == msgspec.structs.replace(
        small, password=older.password, tenant="North", servers=["b:2"]
    )
    large = msgspec.structs.replace(small, user_data={"n": "x" * 60_000})
    assert merged(older, large) == large
    unwritable = msgspec.structs.replace(small, user_data={"n": "x" * MAX_BYTES})
    assert merged(older, unwritable) == unwritable
