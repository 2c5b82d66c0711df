"""Creates and alters topics. A setting that Kafka refuses is left out, with a warning: providers have policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidConfigurationError,
    InvalidReplicationFactorError,
    NotControllerError,
    PolicyViolationError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from bridge.adapters.kafka.aiokafka_internals import admin_client
from bridge.adapters.kafka.calls import call
from bridge.adapters.kafka.rights import Right, denied
from bridge.adapters.kafka.topic_plan import IN_SYNC, POLICY, SAFE_IN_SYNC, SAFE_REPLICAS, RefusedSetting
from bridge.adapters.kafka.topic_requests import (
    BROKERS_REPLICATION,
    CreateTopicRequest,
    SetTopicConfigRequest,
    alter_answer,
    create_answer,
)
from bridge.errors import EnvironmentFault, KafkaUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from aiokafka.admin import AIOKafkaAdminClient

    from bridge.adapters.kafka.calls import Translate
    from bridge.adapters.kafka.topic_plan import Change
    from bridge.adapters.kafka.topic_requests import CreateAnswer

_REFUSED: Final = frozenset({PolicyViolationError, InvalidConfigurationError})
_ALL_FENCED: Final = "currently fenced"
"""What Kafka answers when no broker takes replicas: they have just started, or lost the controller a moment ago."""
_DENIED: Final = frozenset({TopicAuthorizationFailedError, ClusterAuthorizationFailedError})


class TopicChanges:
    """Changes by one admin client; `refused` has each setting that Kafka did not take.

    Every method raises KafkaUnavailable, AccessDenied, and EnvironmentFault when Kafka refuses the topic as a whole.
    """

    def __init__(self, admin: AIOKafkaAdminClient, controller: int, principal: str, failed: Translate) -> None:
        """`admin` is started; `controller` is the node that takes changes."""
        self._admin = admin
        self._controller = controller
        self._principal = principal
        self._failed = failed
        self.refused: list[RefusedSetting] = []

    async def create(self, change: Change) -> None:
        """Create a topic that may have been created by another worker meanwhile.

        First it is only validated: that tells how many replicas it would get, and which settings are refused.
        """
        wanted = dict(change.config)
        needed = {POLICY: wanted[POLICY]}
        least = await self._created(change, needed, validate_only=True)
        replicas = change.topic.replication_factor or least.replicas
        if replicas >= SAFE_REPLICAS and int(least.config.get(IN_SYNC) or 0) < SAFE_IN_SYNC:
            wanted[IN_SYNC] = str(SAFE_IN_SYNC)
        answer = await self._created(change, wanted, validate_only=True)
        if for_code(answer.code) in _REFUSED:
            wanted = await self._taken(change, wanted, needed)
        answer = await self._created(change, wanted, validate_only=False)
        error = for_code(answer.code)
        if answer.code and error is not TopicAlreadyExistsError:
            raise refusal(change, answer.code, answer.text)

    async def _taken(self, change: Change, wanted: Mapping[str, str], needed: Mapping[str, str]) -> dict[str, str]:
        """Return the settings that Kafka takes one by one, or else together only those that are needed."""
        taken = dict(needed)
        for name, value in wanted.items():
            answer = await self._created(change, {**needed, name: value}, validate_only=True)
            if for_code(answer.code) in _REFUSED:
                self._note(change, name, value, answer.text)
            else:
                taken[name] = value
        if for_code((await self._created(change, taken, validate_only=True)).code) in _REFUSED:
            for name in taken.keys() - needed.keys():
                self._note(change, name, taken[name], "together with others")
            return dict(needed)
        return taken

    async def _created(self, change: Change, config: Mapping[str, str], *, validate_only: bool) -> CreateAnswer:
        factor = change.topic.replication_factor or BROKERS_REPLICATION
        request = CreateTopicRequest(change.topic.name, change.partitions, factor, config, validate_only=validate_only)
        answer = create_answer(await self._send(request))
        error = for_code(answer.code)
        if error in _DENIED:
            raise denied([Right("topic", change.topic.name, "Create")], self._principal)
        if error is NotControllerError:
            raise KafkaUnavailable("the cluster's controller has changed")
        return answer

    async def alter(self, change: Change) -> None:
        """Set what differs, value by value; all other settings stay."""
        name = change.topic.name
        for key, value in change.config.items():
            code, text = alter_answer(await self._send(SetTopicConfigRequest(name, key, value)))
            error = for_code(code)
            if error in _DENIED:
                raise denied([Right("topic", name, "AlterConfigs")], self._principal)
            if error in _REFUSED:
                self._note(change, key, value, text)
            elif code:
                raise refusal(change, code, text)

    async def _send(self, request: CreateTopicRequest | SetTopicConfigRequest) -> Any:
        def translate(error: Exception) -> NoReturn:
            if isinstance(error, NotImplementedError):
                raise EnvironmentFault(
                    "this Kafka is older than 2.4: topics cannot be created or altered from here",
                    next_step="create them with Kafka's own tools and set kafka.manage_topics=never",
                ) from error
            self._failed(error)

        return await call(admin_client(self._admin).send(self._controller, request), translate)

    def _note(self, change: Change, name: str, value: str, text: str) -> None:
        self.refused.append(RefusedSetting(change.topic.name, name, value, change.create, text))


def refusal(change: Change, code: int, text: str) -> EnvironmentFault | KafkaUnavailable:
    """Return the error for a topic that Kafka refuses as a whole; KafkaUnavailable: it may take it in a moment."""
    error = for_code(code)
    verb = "create" if change.create else "alter"
    message = f"Kafka refuses to {verb} {change.topic.name}: {text or error.__name__}"
    if error is InvalidReplicationFactorError:
        if _ALL_FENCED in text:
            return KafkaUnavailable(message)
        next_step = "compare kafka.replication_factor with the number of brokers, or leave it out"
    else:
        next_step = (
            "ask who runs Kafka; with topics that they make, `chatbridge topics plan` says what to make and "
            "kafka.manage_topics=never takes them as they are"
        )
    return EnvironmentFault(message, next_step=next_step)
