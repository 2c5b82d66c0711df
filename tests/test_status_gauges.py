"""The gauges that a worker's status registers have the values of its shards and of what its sources share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from prometheus_client.parser import text_string_to_metric_families

from bridge.config import Config
from bridge.secrets_watch import SecretsWatch
from bridge.source_factory import ChatServerSources, SourceContext
from bridge.status import WorkerStatus
from bridge.telemetry import Telemetry
from tests.capture.link_surroundings import FakeClock
from tests.capture.scripted_kafka import ScriptedKafka
from tests.capture.virtual_servers import VirtualServers, play
from tests.test_status import StubAnnouncer, StubJoins, StubStore, StubWorker, topics_found

if TYPE_CHECKING:
    import pytest

    from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
    from bridge.capture.worker import Worker

A, B = "chat-1:4800", "chat-2:4800"
CHATS_AT_A = ("0000GAUGE0000001", "0000GAUGE0000002", "0000GAUGE0000003")
CHAT_AT_B, WAITING_CHAT = "0000GAUGE0000004", "0000GAUGE0000005"
RATE, PEAK = 1, 11
BUFFER = 1 << 20
"""Bytes of the buffer of each scripted shard."""


def gauges(status: WorkerStatus) -> dict[str, float]:
    """Return the samples without a label by name, those with one as `name value`; `chatbridge_` is left out."""
    samples = [
        sample
        for family in text_string_to_metric_families(status.metrics().decode())
        if family.type == "gauge"
        for sample in family.samples
    ]
    return {" ".join([one.name.removeprefix("chatbridge_"), *one.labels.values()]): one.value for one in samples}


def test_a_gauge_of_shards_is_their_sum_or_their_highest_value() -> None:
    worker, announcer, joins = StubWorker({}, {}), StubAnnouncer(), StubJoins()
    first, second = worker.shards
    first.buffer_limit, second.buffer_limit = 3000, 500
    first.buffer_bytes, second.buffer_bytes = 200, 40
    first.announcement_lag, second.announcement_lag = 6, 1
    second.paused = True
    for shard, packed in ((first, 70), (second, 30)):
        cast("StubStore", shard.store).packed = packed
    first.oldest_uncommitted = lambda now: now - 99.0  # type: ignore[method-assign]
    first.source.connections, second.source.connections = 2, 3
    second.source.unreachable = {A: "why"}
    announcer.producers = 4
    joins.joins_waiting, joins.joins_budget = 8, 9
    joins.client_versions = {"105": 11, "106": 12}  # type: ignore[misc]
    status = WorkerStatus(
        cast("Worker", worker),
        cast("AnnouncementProducer", announcer),
        Telemetry(),
        FakeClock(),
        joins=joins,
        kafka_cause=lambda: None,
        topics=topics_found(),
    )
    status.partitions = 13
    found = gauges(status)
    assert found["sessions given_up"] == 100
    assert (found["ready"], found["kafka_up"]) == (0, 0)
    status.preparing = None
    assert (
        gauges(status).items()
        >= {
            "kafka_up": 1,
            "partitions": 13,
            "announcement_lag": 7,
            "oldest_uncommitted_event_seconds": 1,
            "buffer_bytes": 240,
            "buffer_limit_bytes": 3500,
            "inboxes_paused": 1,
            "shards open": 2,
            "links": 5,
            "unreachable_servers": 1,
            "announcers": 4,
            "joins_waiting": 8,
            "joins_budget": 9,
            "sessions_by_client_version 105": 11,
            "sessions_by_client_version 106": 12,
            "sessions_by_client_version 104": 0,
        }.items()
    )


def test_a_running_worker_shows_its_chats_its_buffers_and_what_its_servers_agreed_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        servers = VirtualServers(A, B)
        servers[B].registration = {"clientVersion": 105}
        monkeypatch.setattr("bridge.source_factory.TcpTransports", lambda **_: servers)
        kafka, telemetry = ScriptedKafka(servers.clock), Telemetry()
        limits = {"joins_per_second": RATE, "joins_peak": PEAK}
        config = Config.model_validate({"sources": {"chat_server": limits}})
        sources = ChatServerSources(
            SourceContext(config, servers.clock, telemetry, lambda: 1.0, SecretsWatch(telemetry))
        )
        worker = kafka.worker(sources.make_source)
        status = WorkerStatus(
            worker,
            cast("AnnouncementProducer", StubAnnouncer()),
            telemetry,
            servers.clock,
            joins=sources,
            kafka_cause=lambda: None,
            topics=topics_found(),
        )
        status.preparing = None
        run = asyncio.get_running_loop().create_task(worker.run())
        await asyncio.sleep(60)
        found = gauges(status)
        assert (found["buffer_limit_bytes"], found["joins_budget"]) == (2 * BUFFER, PEAK - RATE)
        assert {value for name, value in found.items() if name.startswith("sessions_by_client_version")} == {0}
        for chat in CHATS_AT_A:
            kafka.announce(0, chat, A)
        kafka.announce(1, CHAT_AT_B, B)
        await asyncio.sleep(0.9)
        found = gauges(status)
        assert [found[f"sessions_by_client_version {version}"] for version in (104, 105, 106)] == [0, 1, 3]
        assert found["joins_budget"] == PEAK - RATE - len(CHATS_AT_A)  # of A, where there are fewer than at B
        assert (found["sessions joined"], found["links"], found["shards open"]) == (4, 2, 2)
        sources.pause_joins()
        kafka.announce(0, WAITING_CHAT, A)
        await asyncio.sleep(1)
        found = gauges(status)
        assert (found["joins_paused"], found["joins_budget"], found["joins_waiting"]) == (1, 0, 1)
        assert (found["sessions joined"], found["sessions waiting"]) == (4, 1)
        await worker.close()
        await run

    play(scene())
