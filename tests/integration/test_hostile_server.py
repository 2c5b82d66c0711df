"""A hostile Chat Server and a real bridge that captures other chats: no chat ends, and none loses an event."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

from bridge.chatserver.psdk_json import INBOUND_LIMIT
from tests.integration.e2e_environment import E2EEnvironment, all_joined, captured
from tests.support.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.processes import Bridge, Simulator

MARKER = "kumquat"
CHATS = 12
STRANGER = "0000ELSEWHERE001"


def stored(number: int) -> str:
    """Return a chat of a hundred events in which every free text is the marker."""
    who = f"00F{number:X}000000000001"
    said = "".join(
        f'<message userId="{who}" timeShift="{at}" visibility="ALL" eventId="{at + 1}">'
        f'<msgText treatAs="NORMAL">{MARKER} {at}</msgText><userData><item key="{MARKER}">{MARKER}</item></userData>'
        f"</message>"
        for at in range(1, 100)
    )
    return (
        f'<chatTranscript startAt="2031-03-04T11:00:00Z" sessionId="0000FUZZ{number:08}">'
        f'<newParty userId="{who}" timeShift="0" visibility="ALL" eventId="1"><userInfo personId="" '
        f'userNick="{MARKER} {number}" userType="CLIENT" protocolType="FLEX"/></newParty>{said}</chatTranscript>'
    )


def session_info(session_id: object, *events: object, **more: object) -> bytes:
    transcript = {"sessionId": session_id, "chatEventList": list(events)}
    return json.dumps({"messageName": "EventSessionInfo", "chatTranscript": transcript, **more}).encode()


MESSAGE = {"eventType": "message", "eventId": 1, "messageText": {"text": MARKER}}
HOSTILE: dict[bytes, tuple[str, str]] = {
    b'{"messageName": kumquat}': ("not_json", "JSON is malformed"),
    b"kumquat": ("not_json", "JSON is malformed"),
    b"\0\1\2kumquat": ("not_json", "JSON is malformed"),
    b'["kumquat"]': ("unreadable_message", "expected object"),
    b'{"messageName":"EventError","description":"kumquat \xff"}': ("not_utf8", "description: not UTF-8"),
    b'{"messageName":"EventError","errorId":"kumquat"}': ("unreadable_message", "errorId: expected int"),
    b'{"messageName":"EventSessionInfo","chatTranscript":["kumquat"]}': (
        "unreadable_message",
        "chatTranscript: expected",
    ),
    b"[" * 5_000: ("unreadable_message", "expected object"),
    json.dumps({"messageName": "EventNobodyKnows", "content": MARKER}).encode(): ("unknown_message", "unknown message"),
    json.dumps({"messageName": "EventStatus", "userId": MARKER}).encode(): ("stray", "a message that does not belong"),
    json.dumps({"messageName": "EventRegistered", "userId": MARKER}).encode(): ("stray", "a second EventRegistered"),
    session_info(STRANGER, MESSAGE): ("stray", "a chat that was not joined here"),
    session_info(f"{MARKER} " * 50_000, MESSAGE): ("stray", "a chat that was not joined here"),
    b'{"' + b"kumquat " * (INBOUND_LIMIT // 8) + b'":1}': ("too_long", "longer than 1048576 bytes"),
}

UNDECODED: Final = {"not_json", "unreadable_message", "not_utf8"}


def series(bridge: Bridge) -> list[str]:
    """Return names and labels of all metrics."""
    lines = bridge.get("/metrics")[1].decode().splitlines()
    return sorted(line.rpartition(" ")[0] for line in lines if not line.startswith("#"))


def send(chats: Simulator, *lines: bytes) -> int:
    """Send these lines on every connection; return on how many."""
    data = base64.b64encode(b"\n".join([*lines, b""])).decode()
    return int(chats.fault("send-raw", base64=data)["connections"])


def quarantine(environment: E2EEnvironment) -> list[dict[str, Any]]:
    """Return the quarantined inputs, reassembled from their parts."""
    found: list[dict[str, Any]] = []
    for record in environment.records("quarantine"):
        if record["part"] == 1:
            found.append(record)
        else:
            found[-1]["bytes"] += record["bytes"]
    return found


@pytest.fixture
def environment(broker: str, tmp_path: Path) -> E2EEnvironment:
    return E2EEnvironment(broker, tmp_path, log__level="debug", capture__drain_seconds=10)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    folder = tmp_path / "stored"
    folder.mkdir()
    for number in range(1, 4):
        (folder / f"{number}.xml").write_text(stored(number), "utf-8")
    return folder


def test_hostile_lines_in_live_connections_are_set_aside_and_every_chat_is_captured_whole(
    environment: E2EEnvironment, recorded: Path
) -> None:
    with environment.bridge() as bridge:
        bridge.wait_ready()
        before = series(bridge)
        with environment.simulator(
            replay=recorded, speed=15, concurrent_chats=CHATS, chats=2 * CHATS, finish=60
        ) as chats:
            wait_for(lambda: all_joined(bridge, CHATS), 60, "the chats are not followed")
            opened = bridge.metric("chatbridge_links_opened_total")
            links = sum(send(chats, line) for line in HOSTILE)
            assert links >= len(HOSTILE)
            wait_for(lambda: bridge.metric("chatbridge_quarantined_total") >= links, 60, "not all is set aside")
            going_on = captured(bridge)
            wait_for(lambda: captured(bridge) > going_on + 100, 60, "the chats do not continue")
            assert bridge.metric("chatbridge_links_lost_total") == 0
            assert bridge.metric("chatbridge_links_opened_total") == opened
            chats.summary(120)
            result = environment.compare_when_closed(chats)
        assert result.clean, str(result)
        assert result.explained == []
        assert (result.chats, result.records) == (2 * CHATS, result.expected)
        assert result.expected >= 2 * CHATS * 100

        per_line = links // len(HOSTILE)
        labels = Counter(label for label, _ in HOSTILE.values())
        assert {
            label: bridge.metric("chatbridge_quarantined_total", reason=label)
            for label in (*labels, "internal", "other")
        } == {**{label: count * per_line for label, count in labels.items()}, "internal": 0, "other": 0}
        assert bridge.metric("chatbridge_chat_failures_total") == 0
        assert series(bridge) == before
        assert bridge.terminate() == 0

    _check_quarantine(quarantine(environment), per_line)
    log = bridge.log.read_text("utf-8")
    assert "quarantined" in log
    assert MARKER not in log
    assert f"session={STRANGER} code=STRAY" in log  # what has the form of an id; other words are not named


def _is(record: dict[str, Any], label: str, detail: str) -> bool:
    return record["code"] == label.upper() and str(record["detail"]).startswith(detail)


def _check_quarantine(found: list[dict[str, Any]], per_line: int) -> None:
    """Each line is there as often as it was sent, with its reason; decoded ones are compared by content."""
    assert len(found) == per_line * len(HOSTILE)
    by_code = Counter(record["code"] for record in found)
    for raw, (label, reason) in HOSTILE.items():
        assert any(_is(record, label, reason) for record in found), by_code
        if label in UNDECODED:
            assert sum(record["bytes"] == raw for record in found) == per_line
            assert all(_is(record, label, reason) for record in found if record["bytes"] == raw)
        elif label == "too_long":
            [*heads] = [record for record in found if record["totalBytes"] == len(raw)]
            assert len(heads) == per_line
            assert all(raw.startswith(record["bytes"]) and len(record["bytes"]) == 65_536 for record in heads)
        else:
            said = json.loads(raw)
            same = [record for record in found if _says(record["bytes"], said)]
            assert len(same) == per_line
    assert {record["sessionId"] for record in found} == {None, STRANGER}


def _says(raw: bytes, said: dict[str, Any]) -> bool:
    """Whether a re-encoded message equals the one that was sent."""
    try:
        again = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    if "name" in again and "fields" in again:  # an unknown one is kept as its name and its attributes
        again = {"messageName": again["name"], **again["fields"]}
    return bool(again == said)


def test_thousands_of_names_servers_and_reasons_make_no_new_series_and_no_new_trouble(
    environment: E2EEnvironment, recorded: Path
) -> None:
    with environment.bridge(sources__chat_server__reconnect_attempts=1) as bridge:
        bridge.wait_ready()
        with environment.simulator(replay=recorded, speed=10, concurrent_chats=3, chats=3, finish=60) as chats:
            wait_for(lambda: all_joined(bridge, 3), 60, "the chats are not followed")
            before = series(bridge)
            said = [
                json.dumps({"messageName": f"Event{MARKER}{number}", f"{MARKER}{number}": number}).encode()
                for number in range(1_000)
            ] + [session_info(f"{number}", 5, **{f"{MARKER}{number}": MARKER}) for number in range(1_000)]
            links = send(chats, *said)
            # Addresses of this machine on which nothing listens.
            servers = [f"127.9.{number // 250}.{number % 250 + 1}" for number in range(500)]
            announced = [{"sessionId": f"0000LOST{at:08}", "host": host, "port": 9} for at, host in enumerate(servers)]
            assert bridge.post("/v1/sessions", announced)[0] == 202
            wait_for(
                lambda: bridge.metric("chatbridge_quarantined_total") >= links * len(said), 60, "not all quarantined"
            )
            wait_for(
                lambda: bridge.metric("chatbridge_gaps_total", reason="never_joined") == len(servers),
                60,
                "the chats that no server has are not given up",
            )
            assert series(bridge) == before
            assert bridge.metric("chatbridge_links_lost_total") == len(servers)
            assert bridge.metric("chatbridge_links_lost_total", reason="unreachable") == len(servers)
            chats.summary(120)
            result = environment.compare_when_closed(chats)
        # They are in no ledger.
        result.altered = [one for one in result.altered if not one.startswith("0000LOST")]
        assert result.clean, str(result)
        assert bridge.terminate() == 0
    log = bridge.log.read_text("utf-8")
    assert MARKER not in log
