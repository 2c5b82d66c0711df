"""The unit of each metric. That of seconds and bytes is in the name, as Prometheus has it; others are told here."""

from __future__ import annotations

from typing import Final

_PREFIX: Final = "chatbridge_"
_BY_ENDING: Final = (
    ("_timestamp_seconds", "seconds since 1970 UTC"),
    ("_seconds", "seconds"),
    ("_bytes", "bytes"),
    ("_bytes_total", "bytes"),
)
_FLAG: Final = "0 or 1"
_INFO: Final = "1"
_UNITS: Final = {
    "announcement_lag": "announcements",
    "announcements_total": "announcements",
    "announcers": "producers",
    "build_info": _INFO,
    "chat_failures_total": "inputs",
    "chats_closed_total": "certificates",
    "chats_covered_total": "chats",
    "chats_opened_total": "chats",
    "chats_reconciled_total": "chats",
    "config_info": _INFO,
    "consumer_failures_total": "failures",
    "events_total": "records",
    "forgotten_total": "losses",
    "gaps_total": "records",
    "http_requests_total": "requests",
    "inbox_pauses_total": "pauses",
    "inboxes_paused": "shards",
    "joins_budget": "joins",
    "joins_paused": _FLAG,
    "joins_total": "answers",
    "joins_waiting": "chats",
    "kafka_errors_total": "errors",
    "kafka_up": _FLAG,
    "links": "connections",
    "links_lost_total": "connections",
    "links_opened_total": "connections",
    "log_lines_total": "lines",
    "not_ready": _FLAG,
    "partitions": "partitions",
    "quarantined_total": "inputs",
    "ready": _FLAG,
    "redactions_total": "values or matches",
    "replayed_events_total": "events",
    "resumptions_total": "records",
    "sessions": "chats",
    "sessions_by_client_version": "chats",
    "stored_repairs_total": "repairs",
    "shard_changes_total": "changes",
    "shards": "shards",
    "tasks": "tasks",
    "transactions_total": "transactions",
    "ucs_missing_chats_total": "chats",
    "ucs_rows_total": "rows",
    "ucs_texts_total": "texts",
    "time_stamps_total": "requests",
    "ucs_waiting_chats": "chats",
    "unreachable_servers": "servers",
    "unstable_servers": "losses in a row",
    "worker_fenced_total": "times",
}


def unit_of(name: str) -> str:
    """Return the unit of a metric, given its name in the text format. Raises KeyError for one without a unit."""
    for ending, unit in _BY_ENDING:
        if name.endswith(ending):
            return unit
    return _UNITS[name.removeprefix(_PREFIX)]
