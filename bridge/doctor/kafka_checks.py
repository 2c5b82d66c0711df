"""Asks Kafka: connections, brokers, rights, topics, their growth, the group, the clock, limits of the brokers."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING, Final

from bridge import factories
from bridge.adapters.kafka.access_probe import TRANSACTION
from bridge.adapters.kafka.cluster_look import NOT_TOLD_CODE, ClusterLook
from bridge.adapters.kafka.group_requests import subscription_of
from bridge.adapters.kafka.log_ages import log_ages
from bridge.adapters.kafka.member_place import identified_host
from bridge.doctor.examination import Check
from bridge.doctor.results.check_result import CheckState, not_checked, not_checked_by
from bridge.doctor.results.clock_skew import clock_result
from bridge.doctor.results.connections import (
    bootstrap_results,
    broker_results,
    coordinator_result,
    told_transactions_results,
)
from bridge.doctor.results.doctor_codes import BLOCKED, NOTHING_FOUND
from bridge.doctor.results.granted_rights import rights_results
from bridge.doctor.results.group_members import GroupFacts, SeenGroup, SeenMember, group_results
from bridge.doctor.results.process_room import TimesAsked, broker_limit_results
from bridge.doctor.results.topic_settings import topic_results
from bridge.doctor.results.topic_sizes import TopicLogs, size_result
from bridge.errors import AccessDenied, KafkaUnavailable
from bridge.waiting import together
from bridge.writer_factory import ids_of_worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bridge.adapters.kafka.required_topics import Topic
    from bridge.adapters.kafka.topic_plan import TopicState
    from bridge.config import Config
    from bridge.doctor.results.check_result import CheckResult

BOOTSTRAP: Final = "kafka connection"
BROKERS: Final = "kafka brokers"
RIGHTS: Final = "kafka rights"
_CONNECT_SECONDS: Final = 12.0
"""A connection is tried with and without TLS, each step for five seconds at most."""
_ASK_SECONDS: Final = 9.0
_BETWEEN_LOOKS_SECONDS: Final = 2.0


class KafkaChecks:
    """The checks of Kafka for one installation. Only bootstrap servers that can be used are asked further."""

    def __init__(self, config: Config) -> None:
        """Nothing connects before a check asks."""
        self._config = config
        self._rights_told = asyncio.Event()
        self._lacks_rights = False

    def checks(self) -> list[Check]:
        """Return them in the order of their lines."""
        after = (BROKERS,)
        return [
            Check(BOOTSTRAP, self._bootstrap, _CONNECT_SECONDS),
            Check(BROKERS, self._brokers, _CONNECT_SECONDS, (BOOTSTRAP,)),
            Check(RIGHTS, self._rights, _ASK_SECONDS, after),
            self._needs_rights("topics", self._topics),
            self._needs_rights("retention", self._retention),
            self._needs_rights("consumer group", self._group),
            self._needs_rights("transactions", self._transactions),
            self._needs_rights("clock", self._clock),
            Check("broker limits", self._limits, _ASK_SECONDS, after),
        ]

    async def _bootstrap(self) -> Sequence[CheckResult]:
        causes = await factories.probe_of(self._config).causes()
        usable = [server for server, cause in causes.items() if cause is None]
        if usable:
            self._config = _asking(self._config, ",".join(usable))
        client = self._config.kafka.client
        protocol = str(client.get("security_protocol", "PLAINTEXT"))
        how = f"{protocol}, {client.get('sasl_mechanism', 'PLAIN')}" if protocol.startswith("SASL") else protocol
        return bootstrap_results(causes, how)

    async def _brokers(self) -> Sequence[CheckResult]:
        look = self._look()
        places = await look.brokers()
        advertised = _asking(self._config, ",".join(place.address for place in places))
        causes, releases = await together(factories.probe_of(advertised).causes(), look.releases())
        return broker_results(places, causes, releases)

    async def _rights(self) -> Sequence[CheckResult]:
        check = factories.rights_check_of(self._config, "run")
        try:
            found = rights_results(check.needed, await check.look(), check.principal)
            self._lacks_rights = any(line.state is CheckState.FAILED for line in found)
        finally:
            self._rights_told.set()
        return found

    def _needs_rights(self, name: str, ask: Callable[[], Awaitable[Sequence[CheckResult]]]) -> Check:
        """Return a check that is not run where a right is missing: the check of the rights has a line about that."""

        async def asked() -> Sequence[CheckResult]:
            try:
                return await ask()
            except AccessDenied as error:
                await self._rights_told.wait()
                if not self._lacks_rights:
                    raise
                text = f"a right is missing, see `{RIGHTS}`: {error.message}"
                return [not_checked(name, BLOCKED, text, error.next_step)]

        return Check(name, asked, _ASK_SECONDS, (BROKERS,))

    async def _topics(self) -> Sequence[CheckResult]:
        kafka = self._config.kafka
        return topic_results(
            self._wanted,
            await self._states(),
            create=kafka.manage_topics == "create",
            former=kafka.partitions_before,
            chosen="partitions" in kafka.model_fields_set,
        )

    @property
    def _wanted(self) -> list[Topic]:
        return factories.wanted_topics(self._config)

    async def _states(self) -> Mapping[str, TopicState]:
        return await factories.topics_of(self._config).states()

    async def _retention(self) -> Sequence[CheckResult]:
        states = await self._states()
        if not states:
            return [not_checked("topics", NOTHING_FOUND, "no topic of this installation exists yet")]
        partitions, now = {name: state.partitions for name, state in states.items()}, time.time()
        ages, sizes = await together(
            log_ages(factories.client_of(self._config), partitions, int(now * 1_000)), self._sizes(partitions)
        )
        ordered = [(topic.name, states[topic.name]) for topic in self._wanted if topic.name in states]
        untold = [not_checked_by("sizes in bytes", sizes)] if isinstance(sizes, KafkaUnavailable) else []
        known = {} if isinstance(sizes, KafkaUnavailable) else sizes
        lines = [
            size_result(TopicLogs(name, state.config, ages[name], known.get(name), now)) for name, state in ordered
        ]
        return [*lines, *untold]

    async def _sizes(self, partitions: Mapping[str, int]) -> Mapping[str, Mapping[int, int]] | KafkaUnavailable:
        """Return the sizes of the logs, or why they are not told: a worker does not need the right for it."""
        try:
            return await self._look().log_sizes(partitions)
        except KafkaUnavailable as error:
            return error

    async def _group(self) -> Sequence[CheckResult]:
        config = self._config
        announcements = factories.names_of(config).announcements
        states = await self._states()
        known = states[announcements].partitions if announcements in states else None
        facts = GroupFacts(config.kafka.group, config.worker_id, socket.gethostname(), announcements, known)
        if await self._look().coordinator(config.kafka.group) is None:
            return [coordinator_result(config.kafka.group, None, "offsets.topic.replication.factor")]
        first = await self._members()
        if not first.members:
            return group_results(facts, [first])
        await asyncio.sleep(_BETWEEN_LOOKS_SECONDS)
        return group_results(facts, [first, await self._members()])

    async def _transactions(self) -> Sequence[CheckResult]:
        kafka, look = self._config.kafka, self._look()
        of_worker = kafka.transactions == "worker"
        transactional_id = ids_of_worker(kafka.group, self._config.worker_id)[0] if of_worker else f"{kafka.group}-0"
        node = await look.coordinator(transactional_id, TRANSACTION)
        found = [coordinator_result(transactional_id, node, "transaction.state.log.replication.factor")]
        if of_worker and node is not None:
            found += told_transactions_results(node, told=await look.tells_transactions(node, transactional_id))
        return found

    async def _members(self) -> SeenGroup:
        group = await self._look().group(self._config.kafka.group)
        members = [
            SeenMember(one.member_id, one.instance_id, identified_host(one), subscription_of(one))
            for one in group.members
        ]
        return SeenGroup(group.state, tuple(members))

    async def _clock(self) -> Sequence[CheckResult]:
        try:
            reading = await self._look().controller_clock()
        except KafkaUnavailable as error:
            return _untold("controller", error)
        return [clock_result(reading, await self._states())]

    async def _limits(self) -> Sequence[CheckResult]:
        try:
            settings = await self._look().broker_settings()
        except KafkaUnavailable as error:
            return _untold("broker limits", error)
        kafka = self._config.kafka
        asked = TimesAsked(kafka.transaction_timeout_seconds, kafka.session_timeout_seconds)
        return broker_limit_results(asked, settings)

    def _look(self) -> ClusterLook:
        config = self._config
        return ClusterLook(config.kafka.bootstrap_servers, lambda: factories.kafka_arguments(config))


def _untold(subject: str, error: KafkaUnavailable) -> list[CheckResult]:
    """Return a line about what a worker gets on without. Raises an error that says that Kafka does not answer."""
    if isinstance(error, AccessDenied) or error.code == NOT_TOLD_CODE:
        return [not_checked_by(subject, error)]
    raise error


def _asking(config: Config, servers: str) -> Config:
    """Return the settings with other bootstrap servers."""
    kafka = config.kafka.model_copy(update={"bootstrap_servers": servers})
    return config.model_copy(update={"kafka": kafka})
