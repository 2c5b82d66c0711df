from __future__ import annotations

import io
import json
import logging
import time
from dataclasses import fields

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge import logs, meters
from bridge.archive.repair_codes import REPAIR_CODES
from bridge.capture.chat_facts import GapRecorded, Quarantined, Redacted
from bridge.capture.loss_facts import KafkaForgot
from bridge.capture.shard_keys import KIND as KEYS
from bridge.connection_watch import KafkaProblemBegan
from bridge.facts import BatchCommitted, Fact, KafkaErrorMet, TransactionFailed
from bridge.meters.label_values import STAMP_RESULTS
from bridge.sources.chat_server.link_facts import LinkLost
from bridge.telemetry import Telemetry
from bridge.transcript.gap_codes import GAP_CODES, UNATTRIBUTED, UNREADABLE
from bridge.transcript.input_codes import QUARANTINE_CODES, UNKNOWN_MESSAGE
from bridge.transcript.link_codes import LINK_CODES, SILENT

FACTS = sorted(Fact.__subclasses__(), key=lambda fact: fact.__name__)
SAMPLE = {
    "int": 3,
    "float": 0.25,
    "str": "something never heard of",
    "bool": True,
    "Sequence[tuple[float, int]]": ((0.2, 3),),
}
LABELS = {
    "kind": {*meters.KAFKA_ERROR_KINDS, *meters.KINDS, *meters.TASK_KINDS, "other"} | {"final", "changed", "running"},
    "outcome": {"committed", "failed", "fenced"},
    "change": {"not_opened", "taken", "released", "fenced", "crashed", "followed", "forgotten"},
    "verdict": {*meters.VERDICTS, "other"},
    "topic": {*meters.FORGETTABLE, "other"},
    "result": {"answered", "refused", "given_up", "other", "taken", "forwarded", "rejected"} | {*STAMP_RESULTS},
    "state": {"joined", "waiting", "given_up", "stored", "open", "opening", "closing"},
    "client_version": {*map(str, range(101, 107)), "other"},
    "code": {*meters.HTTP_CODES},
    "path": {*meters.HTTP_PATHS},
    "step": {*meters.COVERAGE_STEPS},
    "level": {*meters.LOG_LEVELS},
    "action": {*meters.REDACTION_ACTIONS},
    "generation": {"0", "1", "2"},
    "reason": {
        *(code.lower() for code in (*GAP_CODES, *LINK_CODES, *QUARANTINE_CODES, *REPAIR_CODES)),
        *meters.UCS_MISSING,
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


def test_the_facts_of_all_modules_are_looked_at() -> None:
    assert {LinkLost, KafkaProblemBegan} < set(FACTS)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
def test_every_fact_makes_one_log_line_under_its_name(fact: type[Fact], log: io.StringIO) -> None:
    Telemetry().emit(sample_of(fact))
    (line,) = log.getvalue().splitlines()
    content = json.loads(line)
    assert content["event"] == fact.name()
    assert {"time", "level", "event"} < content.keys() | {"-"}


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
def test_no_fact_has_a_field_for_what_people_write_or_for_secrets(fact: type[Fact]) -> None:
    allowed = {"version", "worker", "group", "signal", "error", "server", "code", "detail", "verdict", "at"}
    allowed |= {"kind", "kinds", "topic", "action", "path", "session", "token", "address", "before", "after"}
    allowed |= {"http", "probes", "database", "repairs", "request"}
    numbers = {"int", "float", "bool", "float | None", "Sequence[tuple[float, int]]"}
    assert {each.name for each in fields(fact) if str(each.type) not in numbers} <= allowed


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
    kinds, ages = {"MESSAGE": 5, "GAP": 1}, ((0.02, 5), (4000.0, 1))
    told.emit(BatchCommitted(shard=0, kinds=kinds, records=9, bytes=700, seconds=0.01, oldest_seconds=0.02, ages=ages))
    told.emit(TransactionFailed(shard=0, error="KafkaTimeoutError"))
    found = series(told)
    assert found["chatbridge_events_total", "MESSAGE"] == 5
    assert found["chatbridge_events_total", "NOTICE"] == 0
    assert found["chatbridge_committed_bytes_total", ""] == 700
    assert found["chatbridge_transactions_total", "committed"] == 1
    assert found["chatbridge_transactions_total", "failed"] == 1
    assert found["chatbridge_commit_seconds_count", ""] == 1
    of_events = {bound: number for (name, bound), number in found.items() if name == "chatbridge_event_seconds_bucket"}
    assert [of_events[bound] for bound in ("0.01", "0.02", "3600.0", "+Inf")] == [0, 5, 5, 6]
    assert (found["chatbridge_event_seconds_count", ""], found["chatbridge_event_seconds_sum", ""]) == (6, 4000.1)
    assert abs(found["chatbridge_last_commit_timestamp_seconds", ""] - time.time()) < 60


def test_reasons_are_counted_by_code_and_an_unknown_code_as_other() -> None:
    told = Telemetry()
    told.emit(LinkLost(server="a:1", code=SILENT, detail="no sign of life", registered=True))
    for code in (UNREADABLE, "A_LATER_CODE", "unreadable", UNATTRIBUTED):
        told.emit(GapRecorded(session="0000SIMA00000001", code=code))
    told.emit(Quarantined(session="", code=UNKNOWN_MESSAGE))
    found = series(told)
    assert found["chatbridge_links_lost_total", "silent"] == 1
    assert found["chatbridge_gaps_total", "unreadable"] == 1
    assert found["chatbridge_gaps_total", "other"] == 3
    assert found["chatbridge_quarantined_total", "unknown_message"] == 1


def test_gauges_are_read_when_they_are_scraped() -> None:
    told = Telemetry()
    links = 1
    told.watch("links", lambda: links)
    assert series(told)["chatbridge_links", ""] == 1
    links = 2
    assert series(told)["chatbridge_links", ""] == 2


def test_unstable_servers_are_named_up_to_a_limit_and_disappear() -> None:
    told = Telemetry()
    assert not [name for name, _ in series(told) if name == "chatbridge_unstable_servers"]
    unstable = {f"chat-{number}:4800": number for number in range(1, 101)}
    told.watch_unstable(lambda: unstable)
    found = {server: value for (name, server), value in series(told).items() if name == "chatbridge_unstable_servers"}
    named = {f"chat-{number}:4800": float(number) for number in range(37, 101)}
    assert (len(named), found) == (meters.NAMED_SERVERS, {**named, "other": 36.0})
    unstable.clear()
    assert not [name for name, _ in series(told) if name == "chatbridge_unstable_servers"]


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
    Telemetry().emit(LinkLost(server="a\n\x1b[2J:1", code="RESET", detail="connection reset", registered=False))
    (line,) = stream.getvalue().splitlines()
    assert "link_lost server=a\\x0a\\x1b[2J:1 code=RESET detail=connection reset registered=False" in line


def test_tasks_are_counted_by_kind_when_they_are_scraped() -> None:
    told = Telemetry()
    counts = {"shard": 3, "kafka_client": 4}
    told.watch_each("tasks", lambda: counts)
    counts["shard"] = 2
    found = series(told)
    assert [found["chatbridge_tasks", kind] for kind in ("shard", "kafka_client", "queue")] == [2, 4, 0]


def test_errors_of_kafka_are_counted_by_kind_and_lines_of_the_log_by_level(monkeypatch: pytest.MonkeyPatch) -> None:
    told, log = Telemetry(), io.StringIO()
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    logs.start("debug", "json", log)
    logs.count_lines(told.line_written)
    told.emit(KafkaErrorMet(error="KafkaConnectionError"))
    told.emit(KafkaProblemBegan(code="KAFKA_SILENT", detail="silent"))
    told.emit(KafkaErrorMet(error="never heard of"))
    told.emit(Redacted(action="mask", times=3))
    found = series(told)
    assert [found["chatbridge_kafka_errors_total", kind] for kind in ("connection", "timeout", "other")] == [1, 1, 1]
    assert [found["chatbridge_log_lines_total", level] for level in ("debug", "warning", "error")] == [3, 1, 0]
    assert found["chatbridge_redactions_total", "mask"] == 3
    assert len(log.getvalue().splitlines()) == 4


def test_a_loss_is_counted_by_topic_and_one_of_keys_too() -> None:
    told = Telemetry()
    for kind in ("checkpoints", KEYS, "never heard of"):
        told.emit(KafkaForgot(shard=0, code="x", kind=kind, topic=kind, offsets=1))
    found = series(told)
    assert [found["chatbridge_forgotten_total", kind] for kind in ("checkpoints", "keys", "other")] == [1, 1, 1]


def test_each_metric_has_a_unit() -> None:
    families = [one for one in meters.Meters().registry.collect() if one.name.startswith("chatbridge_")]
    names = [one.name + ("_total" if one.type == "counter" else "") for one in families]
    assert all(meters.unit_of(name) for name in names)
    assert len(names) > 45
