"""The composition root: builds the parts of a worker from the settings and runs them until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from bridge import __version__, logs
from bridge.adapters.clock import SystemClock
from bridge.adapters.event_loop import EventLoop
from bridge.adapters.event_loop_lag import sample_event_loop_lag
from bridge.adapters.heap import FreedMemory
from bridge.adapters.kafka.announcement_consumer import AnnouncementConsumer
from bridge.adapters.kafka.announcement_producer import AnnouncementProducer
from bridge.adapters.kafka.group_look import GroupLook
from bridge.adapters.kafka.partitioner import partition_of
from bridge.adapters.kafka.producers import CLIENT_ERRORS, ignore_unretrieved_batches
from bridge.addresses import joined_address
from bridge.backoff import Backoff
from bridge.capture.drain import drain, on_signals
from bridge.capture.outputs import log_topics
from bridge.capture.pacing import EventRate
from bridge.capture.readiness_codes import PREPARING
from bridge.capture.session_store_settings import SessionStoreSettings
from bridge.capture.shard import Shard
from bridge.capture.shard_recovery import ShardRecovery
from bridge.capture.worker import Worker
from bridge.connection_factory import connection_of
from bridge.connection_watch import ConnectionWatch
from bridge.defects import Defects
from bridge.errors import EXIT_OK, EXIT_RUNTIME, BridgeError, EnvironmentFault, KafkaUnavailable, Problem
from bridge.evidence_factory import evidence_of
from bridge.factories import (
    access_probe_of,
    capturing_topics_of,
    kafka_arguments,
    names_of,
    oauth_context_of,
    rights_check_of,
)
from bridge.facts import BridgeStarted, KafkaErrorMet, StartWaits
from bridge.output_factory import outputs_of, recordings_of
from bridge.records.writer_schemas import WriterSchemas
from bridge.redactor_factory import watch_hash_key
from bridge.registry_factory import registered_headers
from bridge.sealing_factory import sealing_of
from bridge.secrets_watch import SecretsWatch
from bridge.shard_settings_factory import shard_settings
from bridge.source_factory import ChatServerSources, SourceContext, SourceFactory
from bridge.start_findings import check_first_marker, used_closed_retention
from bridge.status import WorkerStatus
from bridge.status_reports import StatusReports
from bridge.stored_composition import StoredComposition
from bridge.topic_watch import TopicWatch
from bridge.waiting import all_ended
from bridge.worker_factories import identity_of, servers_of, telemetry_of
from bridge.writer_factory import ShardWriters

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bridge.capture.outputs import Output
    from bridge.capture.ports import CheckAssignment
    from bridge.config import Config

_WATCH_SECONDS: Final = 5.0
_LONGEST_PAUSE: Final = 5.0
"""Seconds between two attempts to start, and to join the group."""
_PROBE_SECONDS: Final = 30.0
"""A shard commits something at least this often, or once in a session time-out, so that it hears of another owner."""


def run_worker(config: Config, make_sources: Callable[[SourceContext], SourceFactory] = ChatServerSources) -> int:
    """Run a worker until SIGTERM or SIGINT; return the exit code. Raises BridgeErrors that a retry cannot resolve."""
    logs.start(config.log.level, config.log.format)
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        return runner.run(_named("worker", _WorkerProcess(config, make_sources).run()))


async def _named(name: str, work: Coroutine[Any, Any, int]) -> int:
    """Run `work` in the current task under a name by which it is counted among the open tasks."""
    task = asyncio.current_task()
    if task is not None:
        task.set_name(name)
    return await work


class _WorkerProcess:
    """The parts of one worker, built from the settings."""

    def __init__(self, config: Config, make_sources: Callable[[SourceContext], SourceFactory]) -> None:
        self._config = config
        self._clock = SystemClock()
        self._telemetry = telemetry_of(config)
        self._rng = random.Random()  # noqa: S311 - jitter, not cryptography
        self._writers = WriterSchemas.shipped()
        self._schemas = self._writers.schemas
        self._names = names_of(config)
        arguments = kafka_arguments(config)
        self._kafka = connection_of(config, arguments)
        self._recordings = recordings_of(config, self._schemas)
        self._outputs: tuple[Output, ...] = ()
        self._partitions = config.kafka.partitions
        self._closed_retention: float | None = None
        self._secrets = SecretsWatch(self._telemetry)
        self._secrets.add(
            "kafka_password",
            arguments.password,
            lambda: self._kafka.open_clients.take_password(arguments["sasl_plain_password"]),
        )
        self._secrets.add_context("kafka", arguments.context)
        self._secrets.add_context("oauth", oauth_context_of(config))
        self._secrets.add_context("registry", config.schema_registry.context())
        watch_hash_key(config.privacy, [one.redactor for one in self._recordings.values()], self._secrets)
        self._evidence = evidence_of(config, self._names, self._secrets)
        self._sealing = sealing_of(config, self._names, self._secrets)
        self._sources = make_sources(SourceContext(config, self._clock, self._telemetry, self._share, self._secrets))
        self._rate = EventRate()
        self._shard_writers = ShardWriters(config, self._kafka, self._clock, self._rng, self._telemetry.emit)
        self._announcer = AnnouncementProducer(self._kafka)
        self._worker = Worker(
            lambda: AnnouncementConsumer(
                self._kafka,
                worker_id=config.worker_id,
                session_timeout=config.kafka.session_timeout_seconds,
                grows=bool(config.kafka.partitions_before),
            ),
            self._shard,
            backoff=Backoff(self._rng.random, maximum=_LONGEST_PAUSE),
            clock=self._clock,
            telemetry=self._telemetry,
        )
        self._topics = TopicWatch(
            lambda: capturing_topics_of(config, arguments), self._telemetry, self._clock.monotonic
        )
        self._stored = StoredComposition(
            config,
            self._kafka,
            self._sources,
            self._topics,
            partitions=lambda: self._partitions,
            random=self._rng.random,
            clock=self._clock,
            telemetry=self._telemetry,
        )
        self._view = WorkerStatus(
            self._worker,
            self._announcer,
            self._telemetry,
            self._clock,
            joins=self._sources,
            kafka_cause=lambda: self._watch.cause,
            topics=self._stored,
            stamps=self._evidence.stamps,
        )
        self._telemetry.watch_certificates(self._secrets.certificate_ends)
        self._reports = StatusReports(
            identity_of(config),
            self._worker,
            self._view,
            self._telemetry,
            self._clock,
            group=GroupLook(self._kafka, self._clock.monotonic),
            kafka_cause=lambda: self._watch.cause,
            partitions=lambda: 0 if self._view.preparing else self._partitions,
        )
        self._servers = servers_of(config, self._secrets, self._view, self._telemetry.emit, self._reports)
        probe = access_probe_of(config, "run", capturing=True, arguments=arguments)
        self._watch = ConnectionWatch(probe, self._view.may_lack_kafka, self._telemetry)

    async def run(self) -> int:
        config = self._config
        loop = asyncio.get_running_loop()
        defects = Defects(self._telemetry, ignore_unretrieved_batches, environment=CLIENT_ERRORS)
        loop.set_exception_handler(defects.handle)
        stop = on_signals(loop)
        await self._listen()
        http, *more = (joined_address(one.listener.host, one.port) for one in self._servers)
        who = {"version": __version__, "worker": config.worker_id, "group": config.kafka.group}
        self._telemetry.emit(BridgeStarted(**who, http=http, probes=more[0] if more else http))
        self._reports.start()
        watches = [
            asyncio.create_task(self._keep_watching(), name="watch connections and topics"),
            asyncio.create_task(self._secrets.run(), name="watch secrets"),
            asyncio.create_task(self._stored.run(), name="watch stored transcripts"),
            asyncio.create_task(sample_event_loop_lag(self._telemetry.loop_lag), name="watch the event loop"),
        ]
        if self._evidence.stamps is not None:
            watches.append(asyncio.create_task(self._evidence.stamps.run(), name="watch time stamps"))
        for watch in watches:
            watch.add_done_callback(defects.task_ended)
        main = asyncio.create_task(self._capture(), name="capture")
        main.add_done_callback(defects.task_ended)
        try:
            waiting: set[asyncio.Future[Any]] = {main, stop, defects.found}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            refused = main.exception() if main.done() and not main.cancelled() else None
            if isinstance(refused, BridgeError):  # it is impossible to begin, or to go on
                if self._worker.shards:
                    await self._drain(defects)
                raise refused
            drained = await self._drain(defects)
            await _ended(main)  # what it ended with, the defects know
            return EXIT_OK if drained and stop.done() and not defects.found.done() else EXIT_RUNTIME
        finally:
            self._reports.stop()
            await _ended(main, *watches)
            async with AsyncExitStack() as ending:
                ending.push_async_callback(asyncio.to_thread, self._telemetry.close)
                ending.push_async_callback(self._announcer.close)
                ending.push_async_callback(self._shard_writers.close)
                # First: a request that comes later would start the announcer's producer again.
                await self._stop_listening()

    async def _listen(self) -> None:
        try:
            for server in self._servers:
                await server.start()
        except BaseException:
            await self._stop_listening()
            raise

    async def _stop_listening(self) -> None:
        for server in self._servers:
            await server.stop()

    async def _drain(self, defects: Defects) -> bool:
        try:
            return await drain(self._worker, self._config.capture.drain_seconds, self._telemetry)
        except Exception as error:  # noqa: BLE001 - the process ends in order all the same
            defects.report(error)
            return False

    async def _keep_watching(self) -> None:
        freed = FreedMemory()
        while True:
            freed.give_back()
            await self._watch.check()
            await self._stored.refresh()
            await asyncio.sleep(_WATCH_SECONDS)

    def _share(self) -> float:
        """Return the fraction of all shards that this worker owns."""
        return max(sum(1 for _ in self._worker.shards), 1) / self._partitions

    async def _capture(self) -> None:
        await self._prepare()
        # Objects that exist now live as long as the process: exclude them from garbage collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        await self._worker.run()

    async def _prepare(self) -> None:
        """Create missing topics and register the schemas; retry as long as something outside has to change first."""
        backoff, config = Backoff(self._rng.random, maximum=_LONGEST_PAUSE), self._config
        told: Problem | None = None
        self._view.preparing = Problem(PREPARING, "checking the topics")
        while True:  # what the last round waited for stands until one gets through
            try:
                topics = capturing_topics_of(config, self._kafka.client)
                rights = rights_check_of(config, "run", capturing=True, arguments=self._kafka.client)
                await rights.check()  # what is missing is named at once, before it is needed one by one
                plan = await topics.prepare(create=config.kafka.manage_topics == "create")
                self._view.kafka_answered = True
                self._raised(plan.partitions)  # as many as there are, whatever the setting says
                self._topics.found(plan)
                await rights.check()  # of topics that did not exist before
                await check_first_marker(config, self._shard_writers.logs, self._writers, self._partitions)
                await self._stored.create_topic()
                self._closed_retention = await used_closed_retention(config, topics, self._telemetry)
                if told is None:
                    self._view.preparing = Problem(PREPARING, "registering the schemas")
                headers = await registered_headers(config, self._schemas)
                self._outputs = outputs_of(config, self._recordings, headers)
            except EnvironmentFault as error:
                if not error.retryable:
                    raise
                self._view.kafka_answered = not isinstance(error, KafkaUnavailable) or error.answered
                if isinstance(error, KafkaUnavailable):
                    self._telemetry.emit(KafkaErrorMet(error=type(error.__cause__ or error).__name__))
                if error.problem != told:
                    self._telemetry.emit(StartWaits(code=error.code, detail=str(error)))
                self._view.preparing = told = error.problem
                await asyncio.sleep(backoff.next())
            else:
                self._view.preparing = None
                return

    def _raised(self, partitions: int) -> None:
        self._partitions = self._view.partitions = partitions

    # --- one shard -----------------------------------------------------------------------------------------------

    def _shard(self, partition: int, check_assignment: CheckAssignment) -> Shard:
        config = self._config
        partitions = self._partitions
        probe_after = min(_PROBE_SECONDS, config.kafka.session_timeout_seconds)
        keys = self._sealing.of_shard(partition)
        kinds = (*self._evidence.kinds, *self._sealing.kinds)
        store_settings = SessionStoreSettings(
            outputs=self._sealing.with_keys(self._outputs, keys),
            checkpoints=self._names.checkpoints,
            announcements=self._names.announcements,
            writers=self._writers,
            partition_of=lambda key: partition_of(key, partitions),
            partition_under=partition_of,
            stored=self._stored.settings,
            closed_retention_us=None if self._closed_retention is None else int(self._closed_retention * 1_000_000),
            evidence=self._evidence.settings,
            keys=keys,
        )
        return Shard(
            partition,
            shard_settings(config, partitions, self._outputs, min(probe_after, self._evidence.seconds)),
            owner=self._rng.getrandbits(63),
            store_settings=store_settings,
            check_assignment=check_assignment,
            writers=self._shard_writers.of_shard(store_settings.written_topics),
            make_source=self._sources.make_source,
            preparation=self._evidence.preparation,
            recovery=ShardRecovery(
                partition,
                self._shard_writers.logs(partition, kinds, log_topics(store_settings.outputs)),
                store_settings,
                partitions=partitions,
                interval=probe_after,
                clock=self._clock,
                telemetry=self._telemetry,
                former=config.kafka.partitions_before,
                raised=lambda number: self._raised(max(number, self._partitions)),
            ),
            stored=self._stored.door(partition),
            backoff=Backoff(self._rng.random),
            clock=self._clock,
            rate=self._rate,
            telemetry=self._telemetry,
        )


async def _ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await all_ended(tasks)
