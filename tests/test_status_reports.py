"""The report of a running worker: what it counts, what it remembers, and what it asks of Kafka."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import msgspec

from bridge.adapters.kafka.connection_causes import Cause
from bridge.adapters.kafka.connection_codes import KAFKA_REFUSES
from bridge.announcement import encode
from bridge.capture.chat_facts import GapRecorded, Quarantined, Resumed
from bridge.capture.readiness_codes import DRAINING, JOINS_PAUSED, SHARD_OPENING
from bridge.connection_watch import KafkaProblemBegan
from bridge.errors import Problem
from bridge.facts import BatchCommitted, InboxPaused, ShardReleased
from bridge.overview.chat_list import GIVEN_UP, JOINED, WAITING, ChatQuery
from bridge.overview.health_summary import BAD, NO_CHAT_JOINED, OK, WARNING
from bridge.overview.sample_history import STEP_SECONDS
from bridge.overview.shard_owners import STABLE, GroupView, ShardOwner
from bridge.sources.chat_server.link_facts import LinkLost
from bridge.status import WorkerStatus
from bridge.status_reports import StatusReports, WorkerIdentity
from bridge.telemetry import Telemetry
from tests.capture.scripted_kafka import ScriptedKafka
from tests.capture.virtual_servers import VirtualServers, play
from tests.test_status import StubAnnouncer, StubJoins, topics_found
from tests.transcript.build import CHAT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
    from bridge.adapters.kafka.group_look import GroupLook
    from bridge.capture.ports import Deliver, Failed, Source
    from bridge.overview.worker_report import StatusReport

A = "chat-1:4800"
IDENTITY = WorkerIdentity(
    version="1.2.3", worker="worker-1", host="host-1", group="bridge", site="north", client_version=106
)


class StubGroup:
    def __init__(self) -> None:
        self.view = GroupView(state=STABLE, owners={1: ShardOwner("worker-2", "host-2")}, at=0.0)
        self.looks = 0

    async def look(self) -> GroupView:
        self.looks += 1
        return self.view


class ReportedWorker:
    """A worker with one shard of two, on a virtual Chat Server, and its reports."""

    def __init__(self) -> None:
        self.servers = VirtualServers(A)
        self.kafka = ScriptedKafka(self.servers.clock, frozenset({0}))
        self.worker = self.kafka.worker(self._make_source)
        self.telemetry, self.group = Telemetry(), StubGroup()
        self.cause: Cause | None = None
        self.status = WorkerStatus(
            self.worker,
            cast("AnnouncementProducer", StubAnnouncer()),
            self.telemetry,
            self.servers.clock,
            joins=StubJoins(),
            kafka_cause=lambda: self.cause,
            topics=topics_found(),
        )
        self.status.preparing = None
        self.reports = StatusReports(
            IDENTITY,
            self.worker,
            self.status,
            self.telemetry,
            self.servers.clock,
            group=cast("GroupLook", self.group),
            kafka_cause=lambda: self.cause,
            partitions=lambda: 2,
        )

    def _make_source(self, deliver: Deliver, _failed: Failed) -> Source:
        self.servers.manager._deliver = deliver
        return self.servers.manager

    async def report(self, **query: Any) -> StatusReport:
        return await self.reports.report(ChatQuery(**query))


def reported(act: Callable[[ReportedWorker], Awaitable[None]]) -> None:
    """Run a worker for a second, then `act`."""

    async def whole() -> None:
        world = ReportedWorker()
        world.reports.start()
        run = asyncio.get_running_loop().create_task(world.worker.run())
        await asyncio.sleep(1.0)
        await act(world)
        world.reports.stop()
        await world.worker.close()
        await run

    play(whole())


def test_a_worker_that_follows_a_chat_says_who_it_is_and_what_it_does() -> None:
    async def act(world: ReportedWorker) -> None:
        world.kafka.announce(0)
        await asyncio.sleep(1.0)
        report = await world.report()
        assert (report.health.level, report.health.title) == (OK, "Ready: captures 1 of 1 chat")
        assert (report.identity.worker, report.identity.host, report.identity.site) == ("worker-1", "host-1", "north")
        assert report.identity.uptime_seconds == 2.0
        assert (report.identity.client_versions, report.identity.declared_client_version) == ([106], 106)
        [server] = report.servers.rows
        assert (server.server, server.links, server.joined, server.waiting) == (A, 1, 1, 0)
        [chat] = report.chats.rows
        assert (chat.session_id, chat.shard, chat.state, chat.server) == (CHAT, 0, JOINED, A)
        assert [(one.state, one.owner, one.chats) for one in report.shards.rows] == [
            ("open", "worker-1", 1),
            ("elsewhere", "worker-2", None),
        ]
        assert report.problems == []

    reported(act)


def test_the_figures_count_chats_that_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(world: ReportedWorker) -> None:
        packed = {**world.status.chat_states(), GIVEN_UP: 70}
        monkeypatch.setattr(world.status, "chat_states", lambda: Counter(packed))
        assert (await world.report()).figures.given_up == 70

    reported(act)


def test_a_worker_whose_server_is_away_is_ready_and_not_shown_as_well() -> None:
    async def act(world: ReportedWorker) -> None:
        world.servers[A].up = False
        world.kafka.announce(0)
        await asyncio.sleep(1.0)
        report = await world.report()
        assert world.status.readiness() == []
        assert (report.health.level, [one.code for one in report.health.reasons]) == (BAD, [NO_CHAT_JOINED])
        [server] = report.servers.rows
        assert (server.joined, server.waiting) == (0, 1)
        assert [one.state for one in report.chats.rows] == [WAITING]

    reported(act)


def test_a_pause_of_joins_is_a_warning_with_what_to_do() -> None:
    async def act(world: ReportedWorker) -> None:
        world.status.pause_joins(paused=True)
        health = (await world.report()).health
        assert (health.level, health.ready, health.reasons) == (WARNING, True, [])
        assert [one.code for one in health.warnings] == [JOINS_PAUSED]
        assert "PUT /v1/admin/joins" in health.warnings[0].next_step

    reported(act)


def test_facts_become_rates_counts_and_problems_and_no_chat_content() -> None:
    async def act(world: ReportedWorker) -> None:
        for _ in range(10):
            world.telemetry.emit(
                BatchCommitted(
                    shard=0,
                    kinds={"MESSAGE": 20, "GAP": 1},
                    records=23,
                    bytes=1,
                    seconds=0.02,
                    oldest_seconds=1,
                    ages=(),
                )
            )
        world.telemetry.emit(GapRecorded(code="HISTORY_CUT", session=CHAT))
        world.telemetry.emit(Resumed(session=CHAT))
        world.telemetry.emit(Quarantined(code="TOO_LONG", session=CHAT))
        world.telemetry.emit(InboxPaused(shard=0))
        world.telemetry.emit(ShardReleased(shard=0))
        world.telemetry.emit(KafkaProblemBegan(code=KAFKA_REFUSES, detail="is a reason as long as it lasts"))
        world.telemetry.emit(LinkLost(server="b:1", code="RESET", detail="connection reset", registered=True))
        await asyncio.sleep(STEP_SECONDS)
        report = await world.report()
        figures = report.figures
        assert figures.events_per_second == 210 / STEP_SECONDS
        assert (figures.gaps, figures.rejoins, figures.quarantined) == (1, 1, 1)
        assert report.history.events_per_second == [210 / STEP_SECONDS]
        assert [(one.code, one.times) for one in report.problems] == [
            ("RESET", 1),
            ("INBOX_PAUSED", 1),
            ("TOO_LONG", 1),
            ("HISTORY_CUT", 1),
        ]
        [server] = report.servers.rows
        assert server.last_error is not None
        assert (server.server, server.last_error.code) == ("b:1", "RESET")

    reported(act)


def test_a_sample_is_taken_every_few_seconds_until_it_is_stopped() -> None:
    async def act(world: ReportedWorker) -> None:
        await asyncio.sleep(4 * STEP_SECONDS)
        assert len((await world.report()).history.joined) == 4
        world.reports.stop()
        await asyncio.sleep(4 * STEP_SECONDS)
        assert len((await world.report()).history.joined) == 4

    reported(act)


def test_a_reason_that_nobody_looked_at_is_among_the_last_problems_when_it_is_over() -> None:
    async def act(world: ReportedWorker) -> None:
        world.status.preparing = Problem("TOPIC_MISSING", "events does not exist")
        await asyncio.sleep(2 * STEP_SECONDS)
        world.status.preparing = None
        await asyncio.sleep(STEP_SECONDS)
        [problem] = (await world.report()).problems
        assert (problem.code, problem.cause, problem.standing) == ("TOPIC_MISSING", "events does not exist", False)
        assert problem.first_at < problem.last_at

    reported(act)


def test_a_connection_to_kafka_that_fails_has_the_next_step_of_its_code() -> None:
    async def act(world: ReportedWorker) -> None:
        world.status.preparing = Problem(KAFKA_REFUSES, "nothing listens")
        steps = {one.code: one.next_step for one in (await world.report()).health.reasons}
        assert "kafka.bootstrap_servers" in steps[KAFKA_REFUSES]

    reported(act)


def test_the_group_is_asked_only_for_a_report_and_not_while_kafka_cannot_be_used() -> None:
    async def act(world: ReportedWorker) -> None:
        await asyncio.sleep(10 * STEP_SECONDS)
        assert world.group.looks == 0
        await world.report()
        assert world.group.looks == 1
        world.cause = Cause(KAFKA_REFUSES, "nothing listens", "start it")
        shards = (await world.report()).shards
        assert world.group.looks == 1
        assert shards.unknown_because == f"Kafka cannot be used ({KAFKA_REFUSES})"
        assert [one.state for one in shards.rows] == ["open", "unknown"]

    reported(act)


def test_a_shard_that_is_opening_or_closing_says_so() -> None:
    async def act(world: ReportedWorker) -> None:
        [shard] = world.worker.shards
        shard.problem = Problem(SHARD_OPENING, "no broker answers")
        report = await world.report()
        assert (report.shards.rows[0].state, report.shards.rows[0].detail) == ("opening", "no broker answers")
        shard.problem = None
        world.worker._draining = True
        report = await world.report()
        assert report.shards.rows[0].state == "closing"
        assert DRAINING in [one.code for one in report.health.reasons]

    reported(act)


def test_a_session_password_is_in_no_report() -> None:
    async def act(world: ReportedWorker) -> None:
        [shard] = world.worker.shards
        world.kafka.announce(0)
        await asyncio.sleep(1.0)
        chat = shard.store.chats[CHAT]
        told = {"password": "not-to-be-shown", "tenant": "a-tenant", "user_data": {"k": "a-value"}}
        chat.announced = encode(msgspec.structs.replace(chat.announcement, **told))
        await asyncio.sleep(2.0)
        text = msgspec.json.encode(await world.report()).decode()
        assert CHAT in text
        assert [one for one in ("not-to-be-shown", "a-tenant", "a-value") if one in text] == []

    reported(act)
