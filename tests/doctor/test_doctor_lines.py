"""What answers mean: brokers, certificates, rights, schemas, Chat Servers, clocks, limits, a worker's readiness."""

from __future__ import annotations

import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bridge.adapters.kafka.access_probe import RightsLook
from bridge.adapters.kafka.cluster_look import BrokerPlace, ClockReading
from bridge.adapters.kafka.connection_causes import Cause
from bridge.adapters.kafka.required_topics import TopicShape
from bridge.adapters.kafka.rights import rights_of
from bridge.adapters.kafka.topic_manager import TopicNames
from bridge.adapters.kafka.topic_plan import TopicState
from bridge.doctor.results.certificate_ends import SOON_SECONDS, chain_result, file_result
from bridge.doctor.results.chat_servers import server_result
from bridge.doctor.results.check_result import CheckState
from bridge.doctor.results.clock_skew import clock_result
from bridge.doctor.results.connections import (
    bootstrap_results,
    broker_results,
    coordinator_result,
    told_transactions_results,
)
from bridge.doctor.results.granted_rights import rights_results
from bridge.doctor.results.process_room import (
    RoomFacts,
    TimesAsked,
    broker_limit_results,
    memory_result,
    open_files_result,
)
from bridge.doctor.results.registered_schemas import SubjectState, subject_result
from bridge.doctor.results.topic_settings import topic_results
from bridge.doctor.results.worker_readiness import no_worker, worker_results
from bridge.errors import Problem
from bridge.sources.chat_server.registration_probe import RegistrationOutcome, RegistrationStep
from tests.support.wanted_topics import wanted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bridge.doctor.results.check_result import CheckResult

NAMES = TopicNames()
NOW = 1_900_000_000.0
REFUSED = Cause("KAFKA_REFUSES", "Kafka at a:1 refuses the connection", "check that the broker runs")


def told(lines: Iterable[CheckResult]) -> list[tuple[CheckState, str]]:
    return [(line.state, line.code) for line in lines]


def test_one_bootstrap_server_that_works_makes_the_others_warnings() -> None:
    assert told(bootstrap_results({"a:1": REFUSED, "b:1": None}, "SSL")) == [
        (CheckState.WARNING, "KAFKA_REFUSES"),
        (CheckState.OK, "OK"),
    ]
    assert told(bootstrap_results({"a:1": REFUSED}, "SSL")) == [(CheckState.FAILED, "KAFKA_REFUSES")]


@pytest.mark.parametrize(
    ("releases", "expected"),
    [
        ({1: "4.2"}, (CheckState.OK, "OK")),
        ({1: "4.3"}, (CheckState.WARNING, "KAFKA_RELEASE")),
        ({1: "3.1"}, (CheckState.WARNING, "KAFKA_RELEASE")),
        ({1: None}, (CheckState.NOT_CHECKED, "NOT_TOLD")),
        ({}, (CheckState.FAILED, "NO_ANSWER")),
    ],
)
def test_the_release_of_a_broker_decides(releases: dict[int, str | None], expected: tuple[CheckState, str]) -> None:
    assert told(broker_results([BrokerPlace(1, "a:1")], {"a:1": None}, releases)) == [expected]


def test_a_broker_that_cannot_be_reached_where_it_says_names_the_setting() -> None:
    (line,) = broker_results([BrokerPlace(1, "a:1")], {"a:1": REFUSED}, {})
    assert (line.state, line.code) == (CheckState.FAILED, "KAFKA_REFUSES")
    assert "advertised.listeners" in line.next_step


def test_without_a_coordinator_the_replication_factor_of_the_internal_topic_is_named() -> None:
    assert coordinator_result("g", 3, "x").state is CheckState.OK
    line = coordinator_result("g", None, "offsets.topic.replication.factor")
    assert (line.state, line.code) == (CheckState.FAILED, "NO_COORDINATOR")
    assert "offsets.topic.replication.factor" in line.next_step


def test_a_broker_that_does_not_tell_what_became_of_a_transaction_is_named_with_the_setting() -> None:
    assert told_transactions_results(3, told=True) == []
    (line,) = told_transactions_results(3, told=False)
    assert (line.state, line.code, line.subject) == (CheckState.WARNING, "TRANSACTIONS_UNTOLD", "broker 3")
    assert "kafka.transactions" in line.next_step


def test_the_first_certificate_of_a_chain_to_end_decides() -> None:
    soon, late, past = NOW + SOON_SECONDS - 1, NOW + SOON_SECONDS + 1, NOW - 1
    assert told(
        chain_result("a:1", ends, NOW, "renew it") for ends in ([late, late], [late, soon], [late, past], [])
    ) == [
        (CheckState.OK, "OK"),
        (CheckState.WARNING, "CERTIFICATE_ENDS_SOON"),
        (CheckState.FAILED, "CERTIFICATE_ENDED"),
        (CheckState.FAILED, "NO_CERTIFICATE"),
    ]
    assert "certificate 2 of the 2" in chain_result("a:1", [late, soon], NOW, "renew it").detail
    assert "/ca.pem" in file_result("authorities", "/ca.pem", past, NOW).detail
    assert file_result("authorities", "/ca.pem", None, NOW).state is CheckState.NOT_CHECKED


def test_rights_have_a_line_per_resource_and_what_is_not_told_is_not_ok() -> None:
    needed = rights_of("run", NAMES, "g", create=True)
    look = RightsLook()
    lines = rights_results(needed, look, "User:u")
    assert len(lines) == 8
    assert {line.state for line in lines} == {CheckState.OK}
    look.missing = [right for right in needed if right.name == NAMES.events and right.operation == "Write"]
    look.untold = [right for right in needed if right.name == NAMES.sessions]
    by_subject = {line.subject: line for line in rights_results(needed, look, "User:u")}
    events, sessions = by_subject[f"topic {NAMES.events}"], by_subject[f"topic {NAMES.sessions}"]
    assert (events.state, events.code) == (CheckState.FAILED, "ACCESS_DENIED")
    assert f"--operation Write --topic {NAMES.events}" in events.next_step
    assert (sessions.state, sessions.code) == (CheckState.NOT_CHECKED, "NOT_TOLD")


def test_topics_have_a_line_each_and_one_when_they_do_not_fit_together() -> None:
    topics = wanted(NAMES, TopicShape(3, 3, 1_000_000, 604_800, 86_400))
    found = {topic.name: TopicState(3, 3, {**topic.config, "min.insync.replicas": "2"}) for topic in topics}
    assert told(topic_results(topics, found, create=True)) == [(CheckState.OK, "OK")] * 6
    events = found.pop(NAMES.events)
    assert told(topic_results(topics, found, create=True))[0] == (CheckState.WARNING, "TOPIC_MISSING")
    assert told(topic_results(topics, found, create=False))[0] == (CheckState.FAILED, "TOPIC_MISSING")
    found[NAMES.events] = replace(events, partitions=4, config={**events.config, "cleanup.policy": "compact"})
    lines = topic_results(topics, found, create=True)
    assert told(lines)[0] == (CheckState.FAILED, "CLEANUP_POLICY")
    assert told(lines)[-1] == (CheckState.FAILED, "PARTITIONS_DIFFER")
    for in_sync, expected in ((3, "OK"), (2, "REPLICAS_BEHIND"), (1, "WRITES_REFUSED")):
        found[NAMES.events] = replace(events, in_sync=in_sync)
        assert told(topic_results(topics, found, create=True))[0][1] == expected
    found[NAMES.events] = replace(events, replicas=1, in_sync=1, leaderless=(0, 2))
    leaderless, warned, *_ = topic_results(topics, found, create=True)
    assert (leaderless.state, leaderless.code) == (CheckState.FAILED, "NO_LEADER")
    assert "0, 2" in leaderless.detail
    assert warned.code == "ONE_REPLICA"  # and no line says that it is ok
    found[NAMES.events] = TopicState(3, 1, {**events.config, "max.message.bytes": "1000", "retention.ms": "1"})
    codes = {line.code for line in topic_results(topics, found, create=True)}
    assert codes == {"OK", "RECORD_LIMIT_LOW", "ONE_REPLICA", "RETENTION_SHORTER"}


def test_a_number_of_partitions_that_nobody_set_is_not_compared_and_one_that_rises_is_a_warning() -> None:
    topics = wanted(NAMES, TopicShape(12, 3, 1_000_000, 604_800, 86_400))
    found = {topic.name: TopicState(3, 3, {**topic.config, "min.insync.replicas": "2"}) for topic in topics}
    assert {line.code for line in topic_results(topics, found, create=True, chosen=True)} == {"PARTITIONS_TAKEN"}
    assert {line.code for line in topic_results(topics, found, create=True, chosen=False)} == {"OK"}
    found[NAMES.events] = replace(found[NAMES.events], partitions=6)
    differ, rising = (topic_results(topics, found, create=True, former=one, chosen=False)[-1] for one in ((), (3,)))
    assert (differ.state, differ.code) == (CheckState.FAILED, "PARTITIONS_DIFFER")
    assert (rising.state, rising.code) == (CheckState.WARNING, "PARTITIONS_RISING")


def test_a_schema_is_registered_or_would_be_accepted_or_is_incompatible() -> None:
    states = [
        SubjectState("s", 7, "BACKWARD_TRANSITIVE", ()),
        SubjectState("s", 7, None, ()),
        SubjectState("s", 7, "NONE", ()),
        SubjectState("s", None, None, ()),
        SubjectState("s", None, "BACKWARD_TRANSITIVE", ("field a is missing",)),
    ]
    assert told(map(subject_result, states)) == [
        (CheckState.OK, "OK"),
        (CheckState.WARNING, "COMPATIBILITY_LOW"),
        (CheckState.WARNING, "COMPATIBILITY_LOW"),
        (CheckState.WARNING, "SCHEMA_NOT_REGISTERED"),
        (CheckState.FAILED, "SCHEMA_INCOMPATIBLE"),
    ]
    assert "field a is missing" in subject_result(states[-1]).detail


CONNECT, ANSWER = RegistrationStep.CONNECT, RegistrationStep.ANSWER


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (RegistrationOutcome(RegistrationStep.REGISTERED, version=106), "OK"),
        (RegistrationOutcome(RegistrationStep.REGISTERED, version=104), "CLIENT_VERSION_LOWER"),
        (RegistrationOutcome(RegistrationStep.REGISTERED, version=106, assumed=True), "CLIENT_VERSION_ASSUMED"),
        (RegistrationOutcome(RegistrationStep.RESOLVE, error=OSError()), "SERVER_NAME_UNKNOWN"),
        (RegistrationOutcome(CONNECT, error=ConnectionRefusedError()), "SERVER_REFUSES"),
        (RegistrationOutcome(CONNECT, error=TimeoutError()), "SERVER_NO_ANSWER"),
        (RegistrationOutcome(CONNECT, error=OSError()), "SERVER_NO_ANSWER"),
        (RegistrationOutcome(CONNECT, error=ssl.SSLError()), "SERVER_TLS"),
        (RegistrationOutcome(ANSWER, error=TimeoutError()), "SERVER_SILENT"),
        (RegistrationOutcome(ANSWER, error=ConnectionResetError()), "SERVER_CLOSES"),
        (RegistrationOutcome(ANSWER, refusal=Problem("REFUSED", "error 13")), "REGISTRATION_REFUSED"),
        (RegistrationOutcome(ANSWER, unreadable=True), "SERVER_UNREADABLE"),
    ],
)
def test_each_way_in_which_a_registration_ends_has_its_code(outcome: RegistrationOutcome, code: str) -> None:
    line = server_result("chat-1:4800", outcome, 106, tls=False)
    assert line.code == code
    assert bool(line.next_step) == (code != "OK")


def reading(ahead_ms: float, took_ms: float = 10) -> ClockReading:
    return ClockReading(1, int(NOW * 1_000), NOW * 1_000 + ahead_ms - took_ms / 2, NOW * 1_000 + ahead_ms + took_ms / 2)


def topic_with(kind: str) -> dict[str, TopicState]:
    config = {"message.timestamp.type": kind, "message.timestamp.after.max.ms": "60000"}
    return {"events": TopicState(3, 3, config)}


def test_a_clock_is_judged_beyond_its_uncertainty_and_by_what_the_topics_take() -> None:
    append = topic_with("LogAppendTime")
    assert told([clock_result(reading(0), append)]) == [(CheckState.OK, "OK")]
    assert told([clock_result(reading(9_000), append)]) == [(CheckState.WARNING, "CLOCK_DIFFERS")]
    assert told([clock_result(reading(-9_000), append)]) == [(CheckState.WARNING, "CLOCK_DIFFERS")]
    assert told([clock_result(reading(9_000, took_ms=10_000), append)]) == [(CheckState.OK, "OK")], "not certain"
    create = topic_with("CreateTime")
    assert told([clock_result(reading(61_000), create)]) == [(CheckState.FAILED, "CLOCK_DIFFERS")]
    assert told([clock_result(reading(-61_000), create)]) == [(CheckState.WARNING, "CLOCK_DIFFERS")]
    text = clock_result(reading(9_000), append).detail
    assert "9.000 s ahead of the controller's, within 0.006 s" in text
    assert "behind" in clock_result(reading(-9_000), append).detail


ROOM = RoomFacts(
    shards=12,
    together=True,
    brokers=3,
    inbox_bytes=64 << 20,
    history_bytes=64 << 20,
)
TIMES = TimesAsked(transaction_seconds=60, session_seconds=15)


def test_limits_of_the_process_are_compared_with_the_settings() -> None:
    assert told(open_files_result(ROOM, limit) for limit in (1_024, 128)) == [
        (CheckState.OK, "OK"),
        (CheckState.WARNING, "OPEN_FILES_LOW"),
    ]
    assert told(memory_result(ROOM, limit) for limit in (None, 512 << 20, 128 << 20)) == [
        (CheckState.OK, "OK"),
        (CheckState.OK, "OK"),
        (CheckState.WARNING, "MEMORY_LOW"),
    ]


@pytest.mark.parametrize(("together", "at_rest", "opening"), [(True, 112, 216), (False, 300, 404)])
def test_each_shard_has_connections_at_rest_only_with_a_producer_of_its_own(
    together: bool, at_rest: int, opening: int
) -> None:
    room = replace(ROOM, shards=48, together=together)
    line = open_files_result(room, limit=1_024)
    assert f"about {at_rest} with all 48 shards, and {opening} while these are opened" in line.detail
    # What is left for Chat Server is what is left while shards are opened.
    assert told(open_files_result(room, limit) for limit in (opening + 32, opening + 31)) == [
        (CheckState.OK, "OK"),
        (CheckState.WARNING, "OPEN_FILES_LOW"),
    ]


@pytest.mark.parametrize(
    ("limit", "setting"),
    [
        ({"transaction.max.timeout.ms": "59999"}, "kafka.transaction_timeout_seconds"),
        ({"group.min.session.timeout.ms": "15001"}, "kafka.session_timeout_seconds"),
        ({"group.max.session.timeout.ms": "14999"}, "kafka.session_timeout_seconds"),
    ],
)
def test_a_limit_of_the_brokers_that_refuses_a_setting_names_both(limit: dict[str, str], setting: str) -> None:
    (line,) = broker_limit_results(TIMES, limit)
    assert (line.state, line.code) == (CheckState.FAILED, "BROKER_LIMIT")
    assert setting in line.detail
    assert "=".join(next(iter(limit.items()))) in line.detail
    assert told(broker_limit_results(TIMES, {"transaction.max.timeout.ms": "60000"})) == [(CheckState.OK, "OK")]


def test_reasons_of_a_worker_are_failures_and_its_warnings_are_warnings() -> None:
    answer = {
        "ready": False,
        "reasons": [
            {"code": "NO_PARTITIONS", "detail": "no partition for this worker"},
            {"code": "KAFKA_WANTS_SASL", "detail": "the port asks for a user"},
        ],
        "warnings": [{"code": "ONE_REPLICA", "detail": "events has one replica"}],
    }
    lines = worker_results("http://a/readyz", answer)
    assert told(lines) == [
        (CheckState.FAILED, "NO_PARTITIONS"),
        (CheckState.FAILED, "KAFKA_WANTS_SASL"),
        (CheckState.WARNING, "ONE_REPLICA"),
    ]
    assert "kafka.partitions" in lines[0].next_step
    assert "security_protocol" in lines[1].next_step
    assert "replicas" in lines[2].next_step
    assert told(worker_results("http://a/readyz", {"ready": True, "reasons": [], "warnings": []})) == [
        (CheckState.OK, "OK")
    ]


@pytest.mark.parametrize("answer", [None, [], {}, {"ready": "yes"}, "ready"])
def test_what_is_no_worker_was_not_checked(answer: object) -> None:
    assert told(worker_results("http://a/readyz", answer)) == [(CheckState.NOT_CHECKED, "NO_WORKER")]
    assert no_worker("http://a/readyz").state is CheckState.NOT_CHECKED
