"""What the brokers of a cluster say of themselves, by questions that change nothing."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    TransactionalIdAuthorizationFailed,
    for_code,
)

from bridge.adapters.kafka.aiokafka_internals import admin_client
from bridge.adapters.kafka.calls import call, time_limit, unavailable
from bridge.adapters.kafka.cluster_requests import LogSizesRequest, QuorumRequest, controller_time, log_sizes
from bridge.adapters.kafka.group_requests import DescribeGroupRequest, described_group
from bridge.adapters.kafka.rights import CLUSTER, Right, denied, principal_of
from bridge.adapters.kafka.temporary_admin import temporary_admin
from bridge.adapters.kafka.transaction_requests import DescribeTransactionsRequest
from bridge.adapters.kafka.version_requests import BrokerReleaseRequest, release_of
from bridge.addresses import joined_address
from bridge.errors import AccessDenied, KafkaUnavailable
from bridge.waiting import together

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from typing import NoReturn

    from aiokafka.admin import AIOKafkaAdminClient

    from bridge.adapters.kafka.calls import Translate
    from bridge.adapters.kafka.group_requests import GroupDescription
    from bridge.adapters.kafka.rights import Operation

NOT_TOLD_CODE: Final = "NOT_TOLD"
"""Code of the error when the cluster does not know a question."""
_ANSWER_SECONDS: Final = 10.0
_RELEASE_SECONDS: Final = 5.0
_COORDINATOR_ATTEMPTS: Final = 10
_PAUSE_SECONDS: Final = 0.4
_PASSING: Final = frozenset({GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError})
"""What a coordinator says while it reads its part of Kafka's internal topic, or has just given it away."""
_failed: Final = unavailable("Kafka does not answer a question about the cluster")


@dataclass(slots=True, frozen=True)
class BrokerPlace:
    """A broker as the cluster names it: its id, and where it says that clients reach it."""

    node: int
    address: str


class ClockReading(NamedTuple):
    """What another clock said, in ms since 1970 UTC, and the time of this host's before the question and after."""

    node: int
    told_ms: int
    asked_ms: float
    answered_ms: float


class ClusterLook:
    """Asks a cluster, by clients of its own for each question.

    Every method raises KafkaUnavailable, and AccessDenied when this client lacks the right to ask.
    """

    def __init__(
        self, bootstrap_servers: str, client: Callable[[], Mapping[str, Any]], clock: Callable[[], float] = time.time
    ) -> None:
        """`client` returns aiokafka's arguments, `clock` this host's time; nothing connects before a call."""
        self._bootstrap_servers = bootstrap_servers
        self._client = client
        self._clock = clock

    async def brokers(self) -> list[BrokerPlace]:
        """Return all brokers, by their ids."""
        async with self._admin() as admin:
            return _places(admin)

    async def releases(self) -> Mapping[int, str | None]:
        """Return node -> release of Kafka, None where it does not tell; a broker that does not answer is left out."""

        async def release(admin: AIOKafkaAdminClient, node: int) -> tuple[int, str | None] | None:
            try:
                async with time_limit(_RELEASE_SECONDS, "the broker did not answer"):
                    return node, release_of(await _sent(admin, node, BrokerReleaseRequest()))
            except NotImplementedError:  # before Kafka 2.4
                return node, None
            except KafkaUnavailable:
                return None

        async with self._admin() as admin:
            found = await together(*(release(admin, each.node) for each in _places(admin)))
        return dict(each for each in found if each is not None)

    async def log_sizes(self, partitions: Mapping[str, int]) -> Mapping[str, Mapping[int, int]]:
        """Return topic -> partition -> bytes. `partitions` is topic -> number of its partitions."""
        async with self._admin() as admin:
            request = LogSizesRequest(partitions)
            found = log_sizes(await together(*(_answered(admin, each.node, request) for each in _places(admin))))
        if found is None:
            raise self._denied("Describe")
        return found

    async def controller_clock(self) -> ClockReading:
        """Return what the active controller's clock says. The answer took as long as the two own times differ."""
        async with self._admin() as admin:
            node = _places(admin)[0].node
            await _answered(admin, node, QuorumRequest())  # opens the connection, which is not to be measured
            asked = self._clock() * 1_000
            found = controller_time(await _answered(admin, node, QuorumRequest()))
            answered = self._clock() * 1_000
        if for_code(found.code) is ClusterAuthorizationFailedError:
            raise self._denied("Describe")
        if found.ms < 0:
            raise KafkaUnavailable("the active controller does not tell the time", code=NOT_TOLD_CODE)
        return ClockReading(found.node, found.ms, asked, answered)

    async def broker_settings(self) -> Mapping[str, str]:
        """Return the settings of one broker."""
        async with self._admin() as admin:
            resource = ConfigResource(ConfigResourceType.BROKER, str(_places(admin)[0].node))
            (response,) = await call(admin.describe_configs([resource]), _failed)
        ((code, _, _, _, entries),) = response.resources
        if for_code(code) is ClusterAuthorizationFailedError:
            raise self._denied("DescribeConfigs")
        if code:
            raise KafkaUnavailable(f"cannot read the settings of a broker: {for_code(code).__name__}")
        return {entry[0]: entry[1] for entry in entries if entry[1] is not None}

    async def coordinator(self, name: str, kind: int = 0) -> int | None:
        """Return the node that coordinates a group, or with TRANSACTION a transactional id; None: there is none.

        A cluster that has never had one makes its internal topic when it is asked first, which takes some seconds.
        """
        async with self._admin() as admin:
            for _ in range(_COORDINATOR_ATTEMPTS):
                try:
                    return int(await call(admin.find_coordinator(name, kind), self._not_found(name, kind)))
                except GroupCoordinatorNotAvailableError:
                    await asyncio.sleep(_PAUSE_SECONDS)
        return None

    async def tells_transactions(self, node: int, transactional_id: str) -> bool:
        """Return whether a node tells what became of the transactions that it coordinates, whatever it tells now."""
        async with self._admin() as admin:
            try:
                await _sent(admin, node, DescribeTransactionsRequest(transactional_id))
            except NotImplementedError:  # before Kafka 3.0, or not Apache Kafka
                return False
        return True

    async def group(self, group: str) -> GroupDescription:
        """Return what the group's coordinator says of it; a group that does not exist is Dead, without members."""
        async with self._admin() as admin:
            for _ in range(_COORDINATOR_ATTEMPTS):
                if (found := await _described(admin, group)) is not None:
                    return found
                await asyncio.sleep(_PAUSE_SECONDS)
        raise KafkaUnavailable(f"the coordinator of the group {group} is not ready to answer")

    def _denied(self, operation: Operation) -> AccessDenied:
        return denied([Right("cluster", CLUSTER, operation)], principal_of(self._client()), "doctor")

    def _not_found(self, name: str, kind: int) -> Translate:
        """Return what raises for a coordinator that is not told; an AccessDenied names what it would coordinate."""

        def translate(error: Exception) -> NoReturn:
            if isinstance(error, GroupAuthorizationFailedError | TransactionalIdAuthorizationFailed):
                right = Right("transactional id" if kind else "group", name, "Describe")
                raise denied([right], principal_of(self._client()), "doctor") from error
            _unless_none(error)

        return translate

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        async with (
            temporary_admin(self._bootstrap_servers, self._client()) as admin,
            time_limit(_ANSWER_SECONDS, f"Kafka did not answer within {_ANSWER_SECONDS:g} s"),
        ):
            await call(admin.start(), _failed)
            yield admin


def _places(admin: AIOKafkaAdminClient) -> list[BrokerPlace]:
    found = sorted(admin_client(admin).cluster.brokers(), key=lambda each: int(each.nodeId))
    if not found:
        raise KafkaUnavailable("the cluster names no broker")
    return [BrokerPlace(each.nodeId, joined_address(each.host, each.port)) for each in found]


async def _sent(admin: AIOKafkaAdminClient, node: int, request: Any) -> Any:
    """Return the answer of one broker. Raises NotImplementedError when it does not know the request."""
    return await call(admin_client(admin).send(node, request), _unless_unknown)


async def _answered(admin: AIOKafkaAdminClient, node: int, request: Any) -> Any:
    try:
        return await _sent(admin, node, request)
    except NotImplementedError as error:
        raise KafkaUnavailable(
            "the broker does not know this question: it is too old, or not Apache Kafka", code=NOT_TOLD_CODE
        ) from error


async def _described(admin: AIOKafkaAdminClient, group: str) -> GroupDescription | None:
    """Return what the coordinator says; None when there is none at this moment, or it is not ready."""
    try:
        node = await call(admin.find_coordinator(group), _unless_none)
    except GroupCoordinatorNotAvailableError:
        return None
    found = described_group(await _answered(admin, node, DescribeGroupRequest(group)))
    if found.code and for_code(found.code) not in _PASSING:
        raise KafkaUnavailable(f"cannot describe the group {group}: {for_code(found.code).__name__}")
    return None if found.code else found


def _unless_unknown(error: Exception) -> NoReturn:
    if isinstance(error, NotImplementedError):
        raise error
    _failed(error)


def _unless_none(error: Exception) -> NoReturn:
    if isinstance(error, GroupCoordinatorNotAvailableError):
        raise error
    _failed(error)
