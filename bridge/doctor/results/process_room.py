"""Whether the limits of the process and of the brokers allow what the settings say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bridge.doctor.results.check_result import failed, ok, warning
from bridge.doctor.results.doctor_codes import BROKER_LIMIT, MEMORY_LOW, OPEN_FILES_LOW
from bridge.doctor.results.quantities import bytes_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bridge.doctor.results.check_result import CheckResult

_HTTP_CONNECTIONS: Final = 64
_OTHER_FILES: Final = 32
_LEAST_LINKS: Final = 32
_SHARED_CLIENTS: Final = 3
"""Of Kafka: the member of the group, the reader of stored transcripts, and what writes announcements from HTTP."""
_CLAIM_CLIENTS: Final = 2
"""One writes claims while shards are taken, the other reads them, and fences."""
_OPENING_CONNECTIONS: Final = 2
"""Of each shard while it is opened, which all may be at once: to read checkpoints, to look at logs.

Measured with one broker, at rest and at most: 6 shards with one producer 6 and 23, 48 shards 6 and 56; with a producer
for each shard 15 and 24, 99 and 123.
"""
_AT_REST_BYTES: Final = 72 << 20
"""Resident memory of a worker at rest (docs/performance.md)."""
_PER_INBOX_BYTE: Final = 2
"""Input that waits is held decoded, too: 64 MiB were held in 212 MB (docs/performance.md)."""
_POSTED_BYTES: Final = 8 << 20


@dataclass(slots=True, frozen=True)
class RoomFacts:
    """What the settings ask of the process. `brokers` is an estimate of how many brokers each producer connects to.

    `together`: one producer writes all shards (`kafka.transactions: worker`), otherwise each has its own.
    """

    shards: int
    together: bool
    brokers: int
    inbox_bytes: int
    history_bytes: int


@dataclass(slots=True, frozen=True)
class TimesAsked:
    """What the settings ask the brokers to allow: of a transaction, and of the session of a member of the group."""

    transaction_seconds: float
    session_seconds: float


def open_files_result(facts: RoomFacts, limit: int) -> CheckResult:
    """Judge how many files and sockets the process may open, in a worker that opens all shards at once."""
    clients = _SHARED_CLIENTS + (1 if facts.together else facts.shards)
    of_client = facts.brokers + 1
    at_rest = clients * of_client + _HTTP_CONNECTIONS + _OTHER_FILES
    needed = at_rest + _CLAIM_CLIENTS * of_client + facts.shards * _OPENING_CONNECTIONS
    text = f"{limit} may be open; Kafka, HTTP and files take about {at_rest} with all {facts.shards} shards"
    text += f", and {needed} while these are opened"
    if limit - needed < _LEAST_LINKS:
        step = f"raise the limit to {2 * needed} or more (ulimit -n, LimitNOFILE)"
        return warning("open files", OPEN_FILES_LOW, f"{text}: too few are left for Chat Server", step)
    return ok("open files", f"{text}, {limit - needed} are left for connections to Chat Server")


def memory_result(facts: RoomFacts, limit: int | None) -> CheckResult:
    """Judge the memory limit; `limit` in bytes, None without one."""
    needed = _AT_REST_BYTES + _PER_INBOX_BYTE * facts.inbox_bytes + facts.history_bytes + _POSTED_BYTES
    text = f"the settings may take about {bytes_in_words(needed)}"
    if limit is None:
        return ok("memory", f"no limit; {text}")
    text = f"the limit is {bytes_in_words(limit)}, {text} (capture.inbox_bytes, sources.chat_server.history_bytes)"
    if limit < needed:
        step = "raise the limit, or lower capture.inbox_bytes or sources.chat_server.history_bytes"
        return warning("memory", MEMORY_LOW, f"{text}: the process may be killed during an outage of Kafka", step)
    return ok("memory", text)


def broker_limit_results(asked: TimesAsked, broker: Mapping[str, str]) -> list[CheckResult]:
    """Judge time limits that a broker sets for its clients; `broker` are its settings."""
    found = list(_broken(asked, broker))
    shown = ", ".join(f"{name}={broker[name]}" for name in _LIMITS if name in broker)
    return found or [ok("broker limits", f"allow the settings: {shown or 'none of the known limits is set'}")]


_LIMITS: Final = ("transaction.max.timeout.ms", "group.min.session.timeout.ms", "group.max.session.timeout.ms")


def _broken(asked: TimesAsked, broker: Mapping[str, str]) -> Iterator[CheckResult]:
    transaction, session = asked.transaction_seconds * 1_000, asked.session_seconds * 1_000
    longest, least, most = (int(broker[name]) if name in broker else None for name in _LIMITS)
    if longest is not None and transaction > longest:
        yield _limit(f"{_LIMITS[0]}={longest}", "kafka.transaction_timeout_seconds", asked.transaction_seconds)
    if least is not None and session < least:
        yield _limit(f"{_LIMITS[1]}={least}", "kafka.session_timeout_seconds", asked.session_seconds)
    if most is not None and session > most:
        yield _limit(f"{_LIMITS[2]}={most}", "kafka.session_timeout_seconds", asked.session_seconds)


def _limit(limit: str, setting: str, seconds: float) -> CheckResult:
    text = f"the brokers have {limit}, and {setting} is {seconds:g}: they refuse this client"
    return failed("broker limits", BROKER_LIMIT, text, f"change {setting}, or that limit on the brokers")
