"""Finds out what a client may not do, by questions that change nothing, and joins that to why it cannot connect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    TransactionalIdAuthorizationFailed,
    for_code,
)

from bridge.adapters.kafka.aiokafka_internals import admin_client
from bridge.adapters.kafka.calls import call, time_limit, unavailable
from bridge.adapters.kafka.connection_causes import Cause
from bridge.adapters.kafka.group_requests import DescribeGroupRequest, described_group
from bridge.adapters.kafka.rights import Right, denied, not_permitted, principal_of
from bridge.adapters.kafka.temporary_admin import temporary_admin
from bridge.adapters.kafka.topic_lookup import OPERATIONS_UNKNOWN, look_up
from bridge.errors import AccessDenied, EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from aiokafka.admin import AIOKafkaAdminClient

    from bridge.adapters.kafka.connection_probe import ConnectionProbe

_ANSWER_SECONDS: Final = 10.0
TRANSACTION: Final = 1
"""FindCoordinator's type of key for transactional ids."""
_failed: Final = unavailable("cannot ask Kafka what this client may do")


@dataclass(slots=True)
class RightsLook:
    """What was found of the rights that are needed: `missing` ones, and those that Kafka does not tell.

    Nothing is told of a topic that does not exist, nor by a broker that is too old.
    """

    missing: list[Right] = field(default_factory=list)
    untold: list[Right] = field(default_factory=list)


class RightsCheck:
    """Compares the rights of a client with those that it needs.

    Kafka tells what is permitted on a topic and on a group (KIP-430), and denies the coordinator of a transactional id
    to who may not use it. None of these questions counts as a denial in the broker's authorizer log, unless the
    resource may not even be described.
    """

    def __init__(
        self, bootstrap_servers: str, client: Callable[[], Mapping[str, Any]], needed: Sequence[Right]
    ) -> None:
        """`client` returns aiokafka's arguments; nothing connects before a call."""
        self._bootstrap_servers = bootstrap_servers
        self._client = client
        self._needed = needed

    async def check(self) -> None:
        """Raise AccessDenied, with all that is missing. Raises KafkaUnavailable when Kafka does not answer."""
        found = await self.look()
        if found.missing:
            raise denied(found.missing, self.principal)

    @property
    def needed(self) -> Sequence[Right]:
        """All rights that are looked at."""
        return self._needed

    @property
    def principal(self) -> str:
        """Whom Kafka takes the client for. Raises OSError or ValueError when a file of its cannot be used."""
        return principal_of(self._client())

    async def look(self) -> RightsLook:
        """Return what is missing, and what Kafka does not tell. Raises KafkaUnavailable when it does not answer."""
        client, found = self._client(), RightsLook()
        async with (
            temporary_admin(self._bootstrap_servers, client) as admin,
            time_limit(_ANSWER_SECONDS, "Kafka did not answer what this client may do"),
        ):
            await call(admin.start(), _failed)
            await self._topics(admin, found)
            await self._groups(admin, found)
            await self._transactional_ids(admin, found)
        return found

    async def _topics(self, admin: AIOKafkaAdminClient, found: RightsLook) -> None:
        needed = self._by_name("topic")
        topics = await look_up(admin, needed, _failed)
        found.missing += [right for name in topics.forbidden for right in not_permitted(needed[name], None)]
        found.untold += [right for name in topics.missing for right in needed[name]]
        for name, topic in topics.existing.items():
            if topic.operations == OPERATIONS_UNKNOWN:
                found.untold += needed[name]
            else:
                found.missing += not_permitted(needed[name], topic.operations)

    async def _groups(self, admin: AIOKafkaAdminClient, found: RightsLook) -> None:
        for name, needed in self._by_name("group").items():
            try:
                finding = admin.find_coordinator(name)
                node = await call(finding, _keep(GroupAuthorizationFailedError, GroupCoordinatorNotAvailableError))
                request = DescribeGroupRequest(name)
                response = await call(admin_client(admin).send(node, request), _keep(NotImplementedError))
            except GroupAuthorizationFailedError:
                found.missing += not_permitted(needed, None)
                continue
            except (GroupCoordinatorNotAvailableError, NotImplementedError):
                found.untold += needed  # a cluster that never had a group; a broker before 2.4, which does not tell
                continue
            group = described_group(response)
            if for_code(group.code) is GroupAuthorizationFailedError:
                found.missing += not_permitted(needed, None)
            elif group.code or group.operations == OPERATIONS_UNKNOWN:
                found.untold += needed
            else:
                found.missing += not_permitted(needed, group.operations)

    async def _transactional_ids(self, admin: AIOKafkaAdminClient, found: RightsLook) -> None:
        for name, needed in self._by_name("transactional id").items():
            try:
                one = f"{name}0" if needed[0].prefixed else name
                finding = admin.find_coordinator(one, TRANSACTION)
                await call(finding, _keep(TransactionalIdAuthorizationFailed, GroupCoordinatorNotAvailableError))
            except TransactionalIdAuthorizationFailed:
                found.missing += needed
            except GroupCoordinatorNotAvailableError:  # a cluster that never had a transaction: it is not denied
                continue

    def _by_name(self, kind: str) -> dict[str, list[Right]]:
        found: dict[str, list[Right]] = {}
        for right in self._needed:
            if right.kind == kind:
                found.setdefault(right.name, []).append(right)
        return found


class AccessProbe:
    """Why a client cannot do its work on Kafka: it cannot connect, or a right is missing."""

    def __init__(self, connection: ConnectionProbe, rights: RightsCheck) -> None:
        """Nothing connects before `cause`."""
        self._connection = connection
        self._rights = rights

    async def cause(self) -> Cause | None:
        """Return the first cause that is found; None when there is none. Takes some seconds at most."""
        cause = await self._connection.cause()
        if cause is not None:
            return cause
        try:
            await self._rights.check()
        except AccessDenied as error:
            return Cause(error.code, error.message, error.next_step)
        except EnvironmentFault:
            return None
        return None


def _keep(*kinds: type[Exception]) -> Callable[[Exception], NoReturn]:
    """Return what raises an error of these kinds as it is, and any other one as KafkaUnavailable."""

    def translate(error: Exception) -> NoReturn:
        if isinstance(error, kinds):
            raise error
        _failed(error)

    return translate
