from __future__ import annotations

import io
import json
import logging
from dataclasses import fields

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge import logs, meters
from bridge.facts import BatchCommitted, Fact, GapRecorded, Quarantined, TransactionFailed
from bridge.sources.chat_server.link_facts import LinkLost
from bridge.telemetry import Telemetry

FACTS = sorted(Fact.__subclasses__(), key=lambda fact: fact.__name__)
SAMPLE = {"int": 3, "float": 0.25, "str": "something never heard of", "bool": True}
LABELS = {
    "kind": {*meters.KINDS, "other"},
    "outcome": {"committed", "failed", "fenced"},
    "change": {"not_opened", "taken", "released", "fenced", "crashed"},
    "verdict": {*meters.VERDICTS, "other"},
    "result": {"answered", "refused", "given_up", "other", "forwarded", "rejected"},
    "reason": {
        *meters.GAP_REASONS.values(),
        *meters.LOSS_REASONS.values(),
        *meters.QUARANTINE_REASONS.values(),
        "other",
    },
}


def sample_of(fact: type[Fact]) -> Fact:
    return fact(**{each.name: SAMPLE.get(str(each.type), {"MESSAGE": 2, "never heard of": 1}) for each in fields(fact)})


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    stream = io.StringIO()
    logs.start("debug", "json", stream)
    return stream


def series(told: Telemetry) -> dict[tuple[str, str], float]:
    return {
        (sample.name, "".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(told.render().decode())
        for sample in family.samples
    }


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
def test_every_fact_makes_one_log_line_under_its_name(fact: type[Fact], log: io.StringIO) -> None:
    Telemetry().emit(sample_of(fact))
    (line,) = log.getvalue().splitlines()
    content = json.loads(line)
    assert content["event"] == fact.name()
    assert {"time", "level", "event"} < content.keys() | {"-"}


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
def test_no_fact_has_a_field_for_what_people_write_or_for_secrets(fact: type[Fact]) -> None:
    allowed = {"version", "worker", "group", "signal", "error", "server", "reason", "verdict", "at"}
    causes = {"code", "problem", "next"}  # sentences of connection_causes, about settings and addresses
    numbers = {"int", "float", "bool", "float | None"}
    assert {each.name for each in fields(fact) if str(each.type) not in numbers} <= allowed | causes | {"kinds"}


def test_whatever_facts_say_labels_stay_in_closed_sets() -> None:
    told = Telemetry()
    before = series(told).keys()
    for fact in FACTS:
        told.emit(sample_of(fact))
    assert series(told).keys() == before
    for family in text_string_to_metric_families(told.render().decode()):
        for sample in family.samples:
            for label, value in sample.labels.items():
                assert label == "le" or value in LABELS[label]


def test_a_batch_counts_its_events_by_kind_and_its_transaction() -> None:
    told = Telemetry()
    told.emit(
        BatchCommitted(shard=0, kinds={"MESSAGE": 5, "GAP": 1}, records=9, bytes=700, seconds=0.01, oldest_seconds=0.02)
    )
    told.emit(TransactionFailed(shard=0, error="KafkaTimeoutError"))
    found = series(told)
    assert found["chatbridge_events_total", "MESSAGE"] == 5
    assert found["chatbridge_events_total", "NOTICE"] == 0
    assert found["chatbridge_committed_bytes_total", ""] == 700
    assert found["chatbridge_transactions_total", "committed"] == 1
    assert found["chatbridge_transactions_total", "failed"] == 1
    assert found["chatbridge_commit_seconds_count", ""] == 1


def test_reasons_are_counted_by_class() -> None:
    told = Telemetry()
    told.emit(LinkLost(server="a:1", reason="no sign of life within 10 s of a ping", registered=True))
    told.emit(GapRecorded(reason="unreadable input"))
    told.emit(Quarantined(reason="unknown message customer-text"))
    found = series(told)
    assert found["chatbridge_links_lost_total", "silent"] == 1
    assert found["chatbridge_gaps_total", "unreadable"] == 1
    assert found["chatbridge_quarantined_total", "unknown_message"] == 1


def test_a_quarantine_line_does_not_repeat_what_the_peer_sent(log: io.StringIO) -> None:
    Telemetry().emit(Quarantined(reason="unknown message customer-text"))
    assert "customer-text" not in log.getvalue()


def test_gauges_are_read_when_they_are_scraped() -> None:
    told = Telemetry()
    sessions = 1
    told.watch("sessions", lambda: sessions)
    assert series(told)["chatbridge_sessions", ""] == 1
    sessions = 2
    assert series(told)["chatbridge_sessions", ""] == 2


def test_two_telemetries_do_not_share_metrics() -> None:
    first, second = Telemetry(), Telemetry()
    first.emit(TransactionFailed(shard=0, error="x"))
    assert series(second)["chatbridge_transactions_total", "failed"] == 0


def test_the_log_of_an_unexpected_error_has_places_but_not_its_text(log: io.StringIO) -> None:
    try:
        raise KeyError("what a customer wrote")  # noqa: TRY301
    except KeyError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved")
    content = json.loads(log.getvalue())
    assert content["error"] == "KeyError"
    assert content["logger"] == "asyncio"
    assert "test_the_log_of_an_unexpected_error" in content["at"][-1]
    assert "customer" not in log.getvalue()


def test_third_party_debug_lines_are_never_written(log: io.StringIO) -> None:
    logging.getLogger("aiokafka.producer").debug("record %s", "what a customer wrote")
    logging.getLogger("somebody.else").info("value %s", "what a customer wrote")
    assert log.getvalue() == ""


def test_readable_lines_escape_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    stream = io.StringIO()
    logs.start("info", "text", stream)
    Telemetry().emit(LinkLost(server="a\n\x1b[2J:1", reason="connection reset", registered=False))
    (line,) = stream.getvalue().splitlines()
    assert "link_lost server=a\\x0a\\x1b[2J:1 reason=connection reset registered=False" in line
