"""What `/readyz` says of causes of failed connections; and, with the metrics, of servers that answer and drop."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, cast

from bridge.adapters.kafka.connection_causes import Cause
from bridge.adapters.kafka.connection_codes import KAFKA_SILENT
from bridge.adapters.kafka.topic_plan import TopicPlan
from bridge.capture.readiness_codes import (
    JOINS_PAUSED,
    NO_PARTITIONS,
    OUTPUT_UNKNOWN,
    SERVER_UNREACHABLE,
    SERVER_UNSTABLE,
)
from bridge.errors import KafkaUnavailable, Problem
from bridge.reason_codes import REASON_CODES
from bridge.status import WorkerStatus
from bridge.telemetry import Telemetry
from bridge.topic_watch import TopicWatch
from tests.capture.link_surroundings import FakeClock
from tests.capture.recorded_shard import RecordedShard
from tests.capture.scripted_kafka import ScriptedKafka
from tests.capture.test_session_store import announcement
from tests.capture.two_outputs import AUDIT, BOTH, MASKED, WHOLE, RecordedOutputs
from tests.capture.virtual_servers import VirtualServers, play
from tests.transcript.build import CHAT, history, joined, push, said

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
    from bridge.capture.chat import Chat
    from bridge.capture.ports import Deliver, Failed, Source
    from bridge.capture.session_store import SessionStore
    from bridge.capture.worker import Worker
    from bridge.topic_watch import Topics
    from tests.capture.virtual_servers import VirtualTransport

A = "chat-1:4800"


class StubAnnouncer:
    producers = 0


class StubJoins:
    joins_waiting = joins_budget = 0
    joins_paused = False
    client_versions: ClassVar[dict[str, int]] = {}

    def pause_joins(self) -> None:
        self.joins_paused = True

    def resume_joins(self) -> None:
        self.joins_paused = False


class StubSource:
    connections = chats_joined = 0

    def __init__(self, unstable: dict[str, int]) -> None:
        self.unstable = unstable
        self.unreachable: dict[str, str] = {}
        self.has_link = False

    def joined_at(self, _session_id: str) -> str:
        return A


class StubStore:
    chats: ClassVar[dict[str, Chat]] = {}
    packed = 0


class StubShard:
    partition = 0
    paused = False
    buffer_limit = buffer_bytes = announcement_lag = 0

    def __init__(self, unstable: dict[str, int], store: SessionStore | StubStore | None = None) -> None:
        self.source = StubSource(unstable)
        self.store = store or StubStore()

    def under_way(self, now: float) -> float:
        return 0.0 * now

    def oldest_uncommitted(self, now: float) -> float:
        return 0.0 * now


class StubWorker:
    """A worker that is ready, with a shard for each of these."""

    def __init__(self, *unstable: dict[str, int], store: SessionStore | None = None) -> None:
        self.shards = [StubShard(each, store) for each in unstable]

    def problems(self) -> list[Problem]:
        return []

    kafka_answers = True

    def shard_states(self) -> dict[str, int]:
        return {"open": len(self.shards)}


def topics_found(*, reasons: Sequence[Problem] = (), warnings: Sequence[Problem] = ()) -> TopicWatch:
    """Return what watches topics, after it has found this."""

    def nothing() -> Topics:
        raise AssertionError("nothing is asked here")

    watch = TopicWatch(nothing, Telemetry(), lambda: 0.0)
    watch.found(TopicPlan(reasons=[*reasons], warnings=[*warnings]))
    return watch


def status_of(
    telemetry: Telemetry,
    *unstable: dict[str, int],
    cause: Cause | None = None,
    topics: TopicWatch | None = None,
    store: SessionStore | None = None,
) -> WorkerStatus:
    worker = cast("Worker", StubWorker(*unstable, store=store))
    announcer = cast("AnnouncementProducer", StubAnnouncer())
    status = WorkerStatus(
        worker,
        announcer,
        telemetry,
        FakeClock(),
        joins=StubJoins(),
        kafka_cause=lambda: cause,
        topics=topics or topics_found(),
    )
    status.preparing = None
    return status


def test_the_cause_of_a_failed_connection_is_the_first_reason_and_none_of_its_own() -> None:
    cause = Cause(KAFKA_SILENT, "Kafka at b:1 accepts connections but does not answer", "look at its log")
    status = status_of(Telemetry(), {"chat-a:4800": 4}, cause=cause)
    assert [reason.code for reason in status.readiness()] == [KAFKA_SILENT, SERVER_UNSTABLE]
    assert str(cause) == status.readiness()[0].detail
    assert status_of(Telemetry(), cause=cause).readiness() == []


def test_the_connection_to_kafka_is_not_suspected_of_what_is_about_servers_or_a_spare_worker() -> None:
    spare = [Problem(NO_PARTITIONS, "no partitions assigned")]
    assert not status_of(Telemetry(), {"chat-a:4800": 4}, topics=topics_found(reasons=spare)).may_lack_kafka()
    away = [*spare, Problem(KafkaUnavailable.code, "nothing for 20 s")]
    assert status_of(Telemetry(), topics=topics_found(reasons=away)).may_lack_kafka()
    assert not status_of(Telemetry(), cause=Cause(KAFKA_SILENT, "no answer", "look")).may_lack_kafka()


def test_a_reason_about_topics_is_a_reason_and_a_warning_is_none() -> None:
    policy, replica = Problem("CLEANUP_POLICY", "events is compacted"), Problem("ONE_REPLICA", "events has one")
    status = status_of(Telemetry(), topics=topics_found(warnings=[replica]))
    assert (status.readiness(), status.warnings()) == ([], [replica])
    status = status_of(Telemetry(), topics=topics_found(reasons=[policy]))
    assert (status.readiness(), status.warnings()) == ([policy], [])


def test_a_server_that_drops_in_several_shards_is_named_once_with_its_longest_series() -> None:
    status = status_of(Telemetry(), {"chat-a:4800": 4}, {}, {"chat-a:4800": 7, "chat-b:4800": 3})
    assert status.readiness() == [
        Problem(SERVER_UNSTABLE, "chat-a:4800 answers and drops: 7 times in a row"),
        Problem(SERVER_UNSTABLE, "chat-b:4800 answers and drops: 3 times in a row"),
    ]


def test_a_worker_without_such_servers_is_ready() -> None:
    assert status_of(Telemetry(), {}, {}).readiness() == []


def test_readiness_names_the_worst_servers_and_counts_the_others() -> None:
    reasons = status_of(Telemetry(), {f"chat-{number}:4800": 10 + number for number in range(20)}).readiness()
    assert len(reasons) == 9
    assert {reason.code for reason in reasons} == {SERVER_UNSTABLE}
    assert reasons[0].detail == "chat-19:4800 answers and drops: 29 times in a row"
    assert reasons[-1].detail == "12 more servers answer and drop"


def test_servers_that_cannot_be_reached_are_reasons_up_to_a_limit() -> None:
    status = status_of(Telemetry(), {}, {})
    first, second = status._worker.shards
    first.source.unreachable = {A: "3 times in a row: TLS: it has expired"}  # type: ignore[misc]
    assert status.readiness() == [
        Problem(SERVER_UNREACHABLE, f"no connection to {A}, 3 times in a row: TLS: it has expired")
    ]
    second.source.unreachable = {f"chat-{number}:1": "why" for number in range(20, 30)}  # type: ignore[misc]
    reasons = status.readiness()
    assert {reason.code for reason in reasons} == {SERVER_UNREACHABLE}
    assert (len(reasons), reasons[-1].detail) == (9, "3 more servers cannot be reached")
    assert status.warnings() == []


def test_a_server_that_cannot_be_reached_is_a_warning_while_another_one_is_connected() -> None:
    telemetry = Telemetry()
    status = status_of(telemetry, {}, {})
    first, second = status._worker.shards
    first.source.unreachable = {A: "why"}  # type: ignore[misc]
    second.source.has_link = True  # type: ignore[misc]
    assert status.readiness() == []
    assert status.warnings() == [Problem(SERVER_UNREACHABLE, f"no connection to {A}, why")]


def test_a_server_that_answers_each_join_and_drops_is_named_until_its_chat_is_given_up() -> None:
    async def scene() -> None:
        servers = VirtualServers(A)
        hears = servers[A].hears

        def answers_and_drops(wire: VirtualTransport, request: dict[str, Any]) -> None:
            hears(wire, request)
            if request["messageName"] == "RequestJoin":
                asyncio.get_running_loop().call_later(0.01, wire.drops)

        servers[A].hears = answers_and_drops  # type: ignore[method-assign]

        def make_source(deliver: Deliver, _failed: Failed) -> Source:
            servers.manager._deliver = deliver
            return servers.manager

        kafka = ScriptedKafka(servers.clock, frozenset({0}))
        worker, telemetry = kafka.worker(make_source), Telemetry()
        status = WorkerStatus(
            worker,
            cast("AnnouncementProducer", StubAnnouncer()),
            telemetry,
            servers.clock,
            joins=StubJoins(),
            kafka_cause=lambda: None,
            topics=topics_found(),
        )
        status.preparing = None
        run = asyncio.get_running_loop().create_task(worker.run())
        kafka.announce(0)
        await asyncio.sleep(300)
        joins = len(servers[A].joins)
        assert 7 <= joins <= 9
        assert status.readiness() == [Problem(SERVER_UNSTABLE, f"{A} answers and drops: {joins} times in a row")]
        assert f'chatbridge_unstable_servers{{server="{A}"}} {joins}.0' in status.metrics().decode()
        await asyncio.sleep(600)
        [shard] = worker.shards
        assert shard.store.followed() == []
        assert shard.source.followed == set()
        assert status.readiness() == []
        assert "chatbridge_unstable_servers{" not in status.metrics().decode()
        await worker.close()
        await run

    play(scene())


def test_paused_joins_are_a_warning_and_a_metric_and_no_reason() -> None:
    telemetry = Telemetry()
    status = status_of(telemetry)
    assert "chatbridge_joins_paused 0.0" in status.metrics().decode()
    status.pause_joins(paused=True)
    assert [warning.code for warning in status.warnings()] == [JOINS_PAUSED]
    assert (status.readiness(), status.joins_paused()) == ([], True)
    assert "chatbridge_joins_paused 1.0" in status.metrics().decode()
    status.pause_joins(paused=False)
    assert (status.warnings(), status.joins_paused()) == ([], False)


def test_readiness_and_its_reasons_are_metrics_and_each_known_code_is_there_from_the_start() -> None:
    telemetry = Telemetry()
    status = status_of(telemetry, {"chat-a:4800": 4}, cause=Cause(KAFKA_SILENT, "silent", "look"))
    text = status.metrics().decode()
    found = dict(re.findall(r'chatbridge_not_ready\{code="(\w+)"\} ([01]).0', text))
    assert found.keys() == {*map(str.lower, REASON_CODES), "other"}
    assert {code for code, value in found.items() if value == "1"} == {"server_unstable", "kafka_silent"}
    assert "chatbridge_ready 0.0" in text
    assert "chatbridge_ready 1.0" in status_of(Telemetry()).metrics().decode()


def test_open_chats_of_an_output_that_the_settings_lack_are_a_warning_until_they_are_over() -> None:
    def warned() -> list[Problem]:
        return status_of(Telemetry(), {}, store=recorded.store).warnings()

    recorded = RecordedOutputs(*BOTH)
    recorded.fold(history(joined(1), said(2)))
    recorded.restart(WHOLE)
    told = Problem(OUTPUT_UNKNOWN, f"chats that are open in output {AUDIT}, which the settings lack: 1")
    assert warned() == [told]
    recorded.fold(push(said(3)))  # its checkpoint does not know the output any more
    assert warned() == [told]
    recorded.fold(push(said(4), over=True))
    assert warned() == []


def test_chats_may_come_while_they_are_listed() -> None:
    recorded = RecordedShard()
    shown = status_of(Telemetry(), {}, {}, store=recorded.store).sessions()
    first = next(shown)
    recorded.fold(announcement("0000LATE00000001"))
    recorded.fold(history(joined(1), said(2)))
    assert [(one.session_id, one.server, one.last_event_id) for one in (first, *shown)] == [
        (CHAT, A, None),
        (CHAT, A, 2),  # each is shown as it is when it is looked at
    ]


def test_an_output_that_was_ended_before_it_was_removed_is_no_warning() -> None:
    recorded = RecordedOutputs(*BOTH)
    recorded.fold(history(joined(1), said(2)))
    recorded.restart(WHOLE, replace(MASKED, ended=True))
    recorded.fold(push(said(3)))
    recorded.restart(WHOLE)
    assert status_of(Telemetry(), {}, store=recorded.store).warnings() == []
