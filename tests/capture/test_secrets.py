"""Secrets reach no record, log or metric; reasons for quarantine quote nothing of the peer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from bridge.announcement import MAX_BYTES
from bridge.chatserver.psdk_json import INBOUND_LIMIT
from tests.capture.link_harness import CHAT, OTHER, LinkHarness, info, line, message, party

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.capture.ports import Outgoing
from tests.capture.hostile_input import STRANGER, item, nested

SECRET = "swordfish-81723"
SPOKEN = "spoken-of-freely-55120"
PASSWORD_KEY = "GCTI_Chat_SessionPassword"
AS_ATTRIBUTE: dict[str, Any] = {PASSWORD_KEY: SECRET}
IN_JSON = json.dumps({PASSWORD_KEY: SECRET})
ESCAPED = IN_JSON.replace("Session", "S\\u0065ssion")

CORNERS: dict[str, object] = {
    "userData": info(CHAT, message(2, userData=[item(PASSWORD_KEY, SECRET)])),
    "userData twice": info(CHAT, message(2, userData=[item(PASSWORD_KEY, SECRET), item(PASSWORD_KEY, SECRET)])),
    "nested": info(CHAT, message(2, userData=[item("a", [item(PASSWORD_KEY, SECRET)], "kvlist")])),
    "below it": info(CHAT, message(2, userData=[item(PASSWORD_KEY, [item("a", SECRET)], "kvlist")])),
    "other spelling": info(CHAT, message(2, userData=[item("chatServer-sessionPASSWORD", SECRET)])),
    "an object": info(CHAT, message(2, userData=[item("a", {PASSWORD_KEY: SECRET})])),
    "a list of anything": info(CHAT, message(2, userData=[item("a", [5, {"key": PASSWORD_KEY, "value": SECRET}])])),
    "JSON in a string": info(CHAT, message(2, userData=[item("a", IN_JSON)])),
    "escaped JSON in a string": info(CHAT, message(2, userData=[item("a", ESCAPED)])),
    "secure key": info(CHAT, message(2, userData=[item("secure_key", SECRET)])),
    "device token": info(CHAT, party(2, "00A2", userData=[item("push_notification_deviceid", SECRET)])),
    "eventAttributes": info(CHAT, message(2, eventAttributes=[item("a", [item(PASSWORD_KEY, SECRET)], "kvlist")])),
    "unknown attribute": info(CHAT, message(2, **{PASSWORD_KEY: SECRET})),
    "unknown structure": info(CHAT, message(2, new={"deep": [{PASSWORD_KEY: SECRET}]})),
    "unknown JSON": info(CHAT, message(2, new=IN_JSON)),
    "unknown escaped JSON": info(CHAT, message(2, new=ESCAPED)),
    "unknown of a part": info(CHAT, message(2, messageText={"text": "x", PASSWORD_KEY: SECRET})),
    "unknown of the message": {**info(CHAT, message(2)), PASSWORD_KEY: SECRET},
    "unknown of the transcript": info(CHAT, message(2), **AS_ATTRIBUTE),
    "damaged event": info(CHAT, message(2, timeShift="x", userData=[item(PASSWORD_KEY, SECRET)])),
    "damaged part": info(CHAT, message(2, userData=[{"key": PASSWORD_KEY, "value": SECRET}, 5])),
    "too deep": info(CHAT, message(2, userData=[*nested(70), item(PASSWORD_KEY, SECRET)])),
    "too large": info(CHAT, message(2, "x" * 999_000, userData=[item(PASSWORD_KEY, SECRET)])),
    "too long": info(CHAT, userData=[item(PASSWORD_KEY, SECRET)], more="x" * (2 << 20)),
    "no JSON": line(info(CHAT, message(2, userData=[item(PASSWORD_KEY, SECRET)])))[:-1],
    "no JSON, escaped": line({"a": item(PASSWORD_KEY, SECRET)}).replace(b"Session", b"S\\u0065ssion")[:-1],
    "UTF-16": json.dumps({PASSWORD_KEY: SECRET}).encode("utf-16-le"),
    "unknown message": {"messageName": "EventNobodyKnows", PASSWORD_KEY: SECRET},
    "a message of the other protocol": {"messageName": "EventStatus", "secureKey": SECRET, "userId": "00A1"},
    "a bad message of the other protocol": {"messageName": "EventStatus", "secureKey": SECRET, "userId": 7},
    "a chat that nobody joined": info(STRANGER, message(2, userData=[item(PASSWORD_KEY, SECRET)])),
    "a refusal": {"messageName": "EventError", "errorId": 8210, "description": f"wrong password {SECRET}"},
}
ANNOUNCED: dict[str, object] = {
    "wrong type": {"sessionId": 7, "password": SECRET},
    "wrong password": {"sessionId": STRANGER, "host": "h", "port": 1, "password": [SECRET]},
    "no JSON": b'{"sessionId": "a", "password": "' + SECRET.encode(),
    "too long": {"sessionId": "a", "host": "h", "port": 1, "password": SECRET, "more": "x" * MAX_BYTES},
    "other name": {"sessionId": "a b", "Session_Password": SECRET},
}


def everything(harness: LinkHarness) -> Iterator[tuple[str, bytes]]:
    """Every byte that leaves the bridge, but for the checkpoints."""
    kinds: dict[str, list[Outgoing]] = {
        "events": harness.events,
        "sessions": harness.sessions,
        "quarantine": harness.quarantine,
    }
    for kind, records in kinds.items():
        for record in records:
            yield kind, record.key
            yield kind, record.value or b""
            for name, value in record.headers:
                yield kind, name.encode() + value
    yield "log", harness.log().encode()
    yield "metrics", harness.metrics().encode()


def places(harness: LinkHarness, text: str) -> set[str]:
    """Where a text is found, in any encoding that somebody may have sent it in."""
    spellings = (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be"))
    return {kind for kind, data in everything(harness) if any(spelling in data for spelling in spellings)}


def test_what_is_said_freely_is_found_in_the_records_and_nowhere_else(harness: LinkHarness) -> None:
    harness.hears(info(CHAT, message(2, SPOKEN)), info(CHAT, message(3, SPOKEN, timeShift="x")))
    assert places(harness, SPOKEN) == {"events", "quarantine"}


@pytest.mark.parametrize("case", CORNERS)
def test_a_secret_from_a_server_reaches_no_record_no_log_and_no_metric(harness: LinkHarness, case: str) -> None:
    before = (len(harness.events), len(harness.quarantine))
    harness.hears(CORNERS[case])
    # It did arrive: as an event, or in the quarantine. A refusal of nothing is nothing.
    assert (len(harness.events), len(harness.quarantine)) > before or case == "a refusal"
    assert places(harness, SECRET) == set()
    assert SECRET.encode() not in b"".join(value or b"" for value in harness.checkpoints.values())
    assert harness.still_works()


@pytest.mark.parametrize("case", ANNOUNCED)
def test_a_secret_in_a_bad_announcement_reaches_no_record_no_log_and_no_metric(harness: LinkHarness, case: str) -> None:
    harness.announce(ANNOUNCED[case])
    assert len(harness.set_aside()) == 1
    assert places(harness, SECRET) == set()


def test_the_password_of_an_announcement_is_in_the_join_and_the_checkpoint_and_nowhere_else() -> None:
    with LinkHarness(CHAT, password=SECRET) as harness:
        harness.announce({"sessionId": OTHER, "host": "chat-1", "port": 4800, "password": SECRET})
        reference = harness.join(OTHER, SECRET)
        assert SECRET.encode() in harness.stream.written
        harness.hears({"messageName": "EventError", "errorId": 1, "description": SECRET, "referenceId": reference})
        harness.hears(info(CHAT, message(2), status="Over")).give_up(OTHER)
        assert harness.refused[0].reason.code == "REFUSED"
        assert SECRET not in str(harness.refused)
        assert places(harness, SECRET) == set()
        assert SECRET.encode() in (harness.checkpoints[f"{OTHER}#a".encode()] or b"")
        # A chat that is over needs no password any more.
        assert SECRET.encode() not in (harness.checkpoints[f"{CHAT}#a".encode()] or b"")


# --- reasons ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "label"),
    [
        (b"{", "not_json"),
        (b"x", "not_json"),
        (b"[]", "unreadable_message"),
        (b"{}", "unreadable_message"),
        (b'{"\xff":1}', "not_utf8"),
        ({"messageName": 5}, "unreadable_message"),
        ({"messageName": "EventError", "errorId": "x"}, "unreadable_message"),
        ({"messageName": "EventSessionInfo"}, "stray"),
        (info(CHAT, message(2, timeShift="x")), "unreadable_event"),
        (info(CHAT, message(2, userData=nested(70))), "unreadable_event"),
        (info(CHAT, message(2, userData=[item("k" * 2000, [item("a", "b")], "kvlist")])), "not_recorded"),
        (info(CHAT, message(2, "x" * 1_000_000)), "too_large"),
        (b"x" * (INBOUND_LIMIT + 1), "too_long"),
        ({"messageName": "EventNobodyKnows"}, "unknown_message"),
        ({"messageName": "EventStatus"}, "stray"),
        ({"messageName": "EventRegistered"}, "stray"),
        (info(STRANGER), "stray"),
        (b'{"messageName":"EventNobodyKnows","' + b"k" * 900_000 + b'":"\xff"}', "not_utf8"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value)[:40],
)
def test_the_reason_for_setting_something_aside_is_counted_and_quotes_no_word_of_the_peer(
    harness: LinkHarness, said: object, label: str
) -> None:
    before = harness.series()
    harness.hears(said)
    assert harness.quarantined() == {label: 1}
    assert harness.series() == before
    assert all(len(aside["detail"]) < 120 for aside in harness.set_aside())
    assert harness.still_works()


def test_ten_thousand_reasons_servers_and_kinds_make_no_new_series(harness: LinkHarness) -> None:
    before = harness.series()
    for number in range(0, 10_000, 100):
        harness.hears(
            *(
                {"messageName": f"Event{at}", "sessionId": f"chat-{at}", f"key-{at}": at}
                for at in range(number, number + 100)
            ),
            info(CHAT, *({"eventType": f"type-{at}", "eventId": at + 2} for at in range(number, number + 100))),
        )
        harness.announce({"sessionId": f"S{number}", "host": f"chat-{number}", "port": 4800})
    assert len(harness.published()) == 10_001
    assert len(harness.set_aside()) == 10_000
    assert harness.series() == before
    for word in ("type-", "key-"):
        assert word not in harness.log() + harness.metrics()
    assert "chat-" not in harness.metrics()


def test_a_line_of_the_log_does_not_grow_with_the_session_id_of_a_stranger(harness: LinkHarness) -> None:
    harness.hears({"messageName": "EventUnknown", "sessionId": "stranger" * 1000})
    assert "quarantined" in harness.log()
    assert "stranger" not in harness.log()
