"""The output of `chatbridge tail --json` as read by DuckDB."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

from tests.integration.captured_run import CHATS, EPOCH, EVENTS, KINDS, UNITS, CapturedRun, device_tokens

COLUMNS = {
    "id": "VARCHAR",
    "sessionId": "VARCHAR",
    "eventId": "BIGINT",
    "sequence": "BIGINT",
    "kind": "VARCHAR",
    "occurredAt": "TIMESTAMPTZ",
    "observedAt": "TIMESTAMPTZ",
    "party": "STRUCT(userId VARCHAR, nickname VARCHAR, userType VARCHAR, bot BOOLEAN)",
    "message": "STRUCT(text VARCHAR, messageType VARCHAR, treatAs VARCHAR)",
    "userData": "MAP(VARCHAR, VARCHAR)",
    "userDataTypes": "MAP(VARCHAR, VARCHAR)",
    "redactions": 'STRUCT("field" VARCHAR, "rule" VARCHAR, "count" BIGINT, "earlier" VARCHAR[])[]',
}


@pytest.fixture
def table(captured: CapturedRun, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB over what `chatbridge tail --json` prints, as a view named `events`."""
    words = ["tail", "--json", "--from-beginning", "--max", str(captured.expected[EVENTS])]
    where = ["--bootstrap-servers", captured.broker, "--topic-prefix", captured.prefix]
    if captured.registry is not None:
        where += ["--set", f"schema_registry.url={captured.registry}"]
    lines = tmp_path / "events.jsonl"
    with lines.open("wb") as out:
        subprocess.run([sys.executable, "-m", "bridge", *words, *where], stdout=out, timeout=60, check=True)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.read_json(str(lines), format="newline_delimited", columns=COLUMNS).create_view("events")
        yield connection


def rows(table: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return table.execute(query).fetchall()


def test_duckdb_counts_what_the_ledger_counts(captured: CapturedRun, table: duckdb.DuckDBPyConnection) -> None:
    counts = Counter(KINDS[event.event_type] for event in captured.expected_events.values())
    counts["RESUMED"] = captured.resumed
    assert dict(rows(table, "SELECT kind, count(*) FROM events GROUP BY kind")) == counts
    assert dict(rows(table, "SELECT sessionId, max(sequence) FROM events GROUP BY sessionId")) == dict(
        rows(table, "SELECT sessionId, count(*) FROM events GROUP BY sessionId")
    )


def test_duckdb_finds_user_data_by_its_path(captured: CapturedRun, table: duckdb.DuckDBPyConnection) -> None:
    joins: dict[str, dict[str, Any]] = {
        name: {item.key: item.value for item in event.user_data}
        for name, event in captured.expected_events.items()
        if event.event_type == "newParty"
    }
    customers = {name: data["EmailAddress"] for name, data in joins.items() if "EmailAddress" in data}
    assert len(customers) == CHATS
    found = rows(table, "SELECT id, userData['EmailAddress'] FROM events WHERE userData['FirstName'] = 'Visitor'")
    assert dict(found) == customers
    carts = {
        name: {item.key: str(item.value) for item in data["cart"]} for name, data in joins.items() if "cart" in data
    }
    found = rows(table, "SELECT id, userData['cart.items'] FROM events WHERE userDataTypes['cart.items'] = 'int'")
    assert dict(found) == {name: cart["items"] for name, cart in carts.items()}


def test_duckdb_sees_who_said_what_and_when(captured: CapturedRun, table: duckdb.DuckDBPyConnection) -> None:
    said = captured.expected_events
    nicknames = {
        (name.partition(":")[0], event.user_id): event.user_info.user_nickname
        for name, event in said.items()
        if event.user_info is not None
    }
    found = rows(
        table, "SELECT id, party.userId, message.text, epoch_ms(occurredAt) FROM events WHERE kind = 'MESSAGE'"
    )
    assert len(found) > CHATS
    for name, user_id, text, occurred_at in found:
        event = said[name]
        start = datetime.fromisoformat(captured.ledger[name.partition(":")[0]].start_at)
        assert (user_id, text) == (event.user_id, event.message_text and event.message_text.text)
        assert EPOCH + occurred_at * UNITS["timestamp-millis"] == start + timedelta(seconds=event.time_shift)
    joined = "SELECT sessionId, party.userId, party.nickname FROM events WHERE kind = 'PARTY_JOINED'"
    found = rows(table, f"{joined} AND party.userType = 'AGENT'")
    assert {(session_id, user_id): nickname for session_id, user_id, nickname in found} == {
        (name.partition(":")[0], event.user_id): nicknames[name.partition(":")[0], event.user_id]
        for name, event in said.items()
        if event.user_info is not None and event.user_info.user_type == "AGENT"
    }


def test_duckdb_finds_where_a_device_token_was_taken_out(
    captured: CapturedRun, table: duckdb.DuckDBPyConnection
) -> None:
    found = rows(
        table,
        """SELECT id FROM (SELECT id, unnest(redactions) AS done FROM events)
        WHERE done.rule = 'secret' AND done.field = 'userData.push_notification_deviceid'""",
    )
    assert {name for (name,) in found} == set(device_tokens(captured))
