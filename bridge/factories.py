"""Builds topic lists and client arguments from the settings, for `app` and the commands.

Every command that uses Kafka imports this: what only a worker needs is in `worker_factories`.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bridge.adapters.kafka.access_probe import AccessProbe, RightsCheck
from bridge.adapters.kafka.connection_causes import ClientFacts
from bridge.adapters.kafka.connection_probe import ConnectionProbe, ProbeSettings
from bridge.adapters.kafka.msk_iam_tokens import MskIamTokens, installed_signer
from bridge.adapters.kafka.oauth_tokens import FileTokens, RenewedTokens
from bridge.adapters.kafka.required_topics import (
    Topic,
    TopicShape,
    wanted_for_verbs,
    wanted_of_installation,
    wanted_of_output,
)
from bridge.adapters.kafka.rights import OUTPUT_READERS, Right, rights_of
from bridge.adapters.kafka.topic_manager import TopicManager, TopicNames
from bridge.adapters.kafka.verb_rights import VERBS, verb_rights
from bridge.config.security import OAUTHBEARER, client_context
from bridge.errors import AccessDenied, AnnouncementsNotWritten, ConfigError, KafkaUnavailable
from bridge.output_topics import names_by_output, output_settings_of

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from bridge.config import Config, OAuthSettings
    from bridge.config.security import ClientArguments
    from bridge.tls import RenewedContext

    _Result = TypeVar("_Result")

_KERBEROS: Final = "GSSAPI"


def kafka_arguments(config: Config) -> ClientArguments:
    """Return the keyword arguments that every aiokafka client needs, but for the servers. To be called in a loop.

    Raises ConfigError when OAUTHBEARER has no source of tokens, or a mechanism lacks the package for it; OSError or
    ValueError when a file cannot be used now.
    """
    kafka = config.kafka
    mechanism = kafka.client.get("sasl_mechanism")
    if mechanism == _KERBEROS and find_spec("gssapi") is None:  # aiokafka's connections fail with an assertion then
        raise ConfigError(
            f"kafka.client.sasl_mechanism: the package for {_KERBEROS} is not installed",
            next_step="pip install 'aiokafka[gssapi]'",
        )
    if mechanism != OAUTHBEARER:
        return kafka.client_arguments()
    return kafka.client_arguments({"sasl_oauth_token_provider": _tokens_of(kafka.oauth)})


def oauth_context_of(config: Config) -> RenewedContext | None:
    """Return the TLS context of connections to the token endpoint, None where none are made. Raises OSError."""
    uses_tokens = config.kafka.client.get("sasl_mechanism") == OAUTHBEARER
    return config.kafka.oauth.context() if uses_tokens else None


def _tokens_of(oauth: OAuthSettings) -> FileTokens | RenewedTokens:
    read, secret = oauth.token(), oauth.secret()
    if read is not None:
        return FileTokens(read)
    if oauth.msk_region is not None:
        return MskIamTokens(oauth.msk_region, installed_signer())
    if oauth.token_endpoint is None or oauth.client_id is None or secret is None:
        raise ConfigError(
            "kafka.oauth: OAUTHBEARER needs tokens",
            next_step="set kafka.oauth.token_endpoint, kafka.oauth.token_file or kafka.oauth.msk_region",
        )
    # The client of HTTP takes long to import, and no other command that uses Kafka needs it.
    from bridge.adapters.kafka.endpoint_tokens import EndpointTokens, TokenEndpoint  # noqa: PLC0415

    endpoint = TokenEndpoint(
        url=oauth.token_endpoint,
        client_id=oauth.client_id,
        secret=secret,
        scope=oauth.scope,
        tls=oauth.context(),
    )
    return EndpointTokens(endpoint)


def topics_of(config: Config) -> TopicManager:
    """Return the manager of an installation's topics."""
    return _manager_of(config, wanted_topics(config))


def all_topics_of(config: Config) -> TopicManager:
    """Return the manager of all topics: those that `run` creates, and those of the verbs that erase and hold chats."""
    return _manager_of(config, every_topic(config))


def every_topic(config: Config) -> list[Topic]:
    """Return what `wanted_topics` does, and the topics of the verbs."""
    shape = _shape(config, config.kafka.partitions)
    return [*wanted_topics(config), *wanted_for_verbs(names_of(config), shape)]


def capturing_topics_of(config: Config, arguments: Mapping[str, Any]) -> TopicManager:
    """Return the manager of the topics without which nothing can be captured: all but that of stored transcripts.

    `arguments` are what `kafka_arguments` has returned at the start: files that cannot be used later do not matter.
    """
    stored = names_of(config).stored
    return _manager_of(config, [topic for topic in wanted_topics(config) if topic.name != stored], arguments)


def _manager_of(config: Config, topics: list[Topic], arguments: Mapping[str, Any] | None = None) -> TopicManager:
    kafka = config.kafka
    return TopicManager(
        kafka.bootstrap_servers,
        kafka_arguments(config) if arguments is None else arguments,
        topics,
        kafka.partitions_before,
        chosen="partitions" in kafka.model_fields_set,
    )


def numbers_of(config: Config, partitions: int) -> tuple[int, ...]:
    """Return the numbers of partitions under which a chat may have been announced: a topic has `partitions` now."""
    return (*(one for one in config.kafka.partitions_before if one < partitions), partitions)


def stored_topic_of(config: Config, partitions: int) -> Topic:
    """Return the topic of stored transcripts as it is required, with as many partitions as the others have."""
    names = names_of(config)
    topics = wanted_of_installation(names, _shape(config, partitions))
    return next(topic for topic in topics if topic.name == names.stored)


def wanted_topics(config: Config) -> list[Topic]:
    """Return the required topics of an installation, those of all outputs among them."""
    partitions, names = config.kafka.partitions, names_by_output(config)
    found = [
        topic
        for one in output_settings_of(config)
        for topic in wanted_of_output(names[one.name], _shape(config, partitions, one.max_record_bytes))
    ]
    shape = _shape(config, partitions)
    key_compaction = config.sealing.key_compaction_seconds if config.sealing.has_master_key else None
    shared = wanted_of_installation(
        names_of(config), shape, evidence=config.evidence.signs, key_compaction=key_compaction
    )
    return [*found, *shared]


def _shape(config: Config, partitions: int, max_record_bytes: int | None = None) -> TopicShape:
    kafka = config.kafka
    return TopicShape(
        partitions=partitions,
        replication_factor=kafka.replication_factor,
        max_record_bytes=max_record_bytes or kafka.max_record_bytes,
        retention_seconds=kafka.retention_seconds,
        announcement_retention_seconds=kafka.announcement_retention_seconds,
    )


def names_of(config: Config) -> TopicNames:
    """Return the names of the topics, those of the first output among them."""
    return next(iter(names_by_output(config).values()))


def key_name_of(config: Config, names: TopicNames) -> str:
    """Return the name of the signing key, with which the origins of the logs begin."""
    return config.evidence.signing_key_name or f"chatbridge/{config.site}/{TopicNames(names.prefix).sessions}"


def client_of(config: Config) -> dict[str, Any]:
    """Return the keyword arguments that every aiokafka client needs."""
    return {"bootstrap_servers": config.kafka.bootstrap_servers, **kafka_arguments(config)}


def probe_of(config: Config) -> ConnectionProbe:
    """Return what finds out why Kafka cannot be used."""
    kafka = config.kafka
    return ConnectionProbe(
        ProbeSettings(
            kafka.bootstrap_servers,
            ClientFacts.of(kafka.client),
            partial(kafka_arguments, config),
            partial(client_context, kafka.client, any_name=True),
        )
    )


def rights_check_of(
    config: Config, command: str, *, capturing: bool = False, arguments: Mapping[str, Any] | None = None
) -> RightsCheck:
    """Return what compares the rights of a command, as `chatbridge acls` prints them, with those that Kafka grants.

    With `capturing` only those without which nothing can be captured; `arguments` as in `capturing_topics_of`, None: as
    the files are at each look.
    """
    kafka, needed = config.kafka, needed_rights(config, command, all_outputs=command not in OUTPUT_READERS)
    if capturing:
        stored = names_of(config).stored
        needed = [right for right in needed if right.name != stored]
    client = partial(kafka_arguments, config) if arguments is None else lambda: arguments
    return RightsCheck(kafka.bootstrap_servers, client, needed)


def needed_rights(config: Config, command: str, *, all_outputs: bool) -> list[Right]:
    """Return the rights of a command, on the topics of all outputs or only of the first."""
    names, *others = names_by_output(config).values()
    if command in VERBS:
        outputs = [names, *others] if all_outputs else [names]
        return verb_rights(command, outputs, config.kafka.group)
    create = config.kafka.manage_topics == "create"
    return rights_of(
        command,
        names,
        config.kafka.group,
        create=create,
        evidence=config.evidence.signs,
        sealing=config.sealing.has_master_key,
        others=others if all_outputs else (),
    )


def access_probe_of(
    config: Config, command: str, *, capturing: bool = False, arguments: Mapping[str, Any] | None = None
) -> AccessProbe:
    """Return what finds out why a command cannot do its work on Kafka; the options are those of `rights_check_of`."""
    return AccessProbe(probe_of(config), rights_check_of(config, command, capturing=capturing, arguments=arguments))


async def explained(config: Config, command: str, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Await what a command does with Kafka, once it is known to have the rights for it.

    A KafkaUnavailable says why, if a connection made for that purpose tells. AnnouncementsNotWritten is raised as it
    is, because of its number.
    """
    try:
        await _check_rights(config, command)
    except BaseException:
        work.close()
        raise
    try:
        return await work
    except (AccessDenied, AnnouncementsNotWritten):
        raise
    except KafkaUnavailable as error:
        await _explain(config, command, error)
        raise


async def _check_rights(config: Config, command: str) -> None:
    """Raise AccessDenied for what is missing, KafkaUnavailable for what keeps a client from connecting.

    An answer that was only late ends nothing: Kafka denies the work itself what it may not do.
    """
    try:
        await rights_check_of(config, command).check()
    except AccessDenied:
        raise
    except KafkaUnavailable as error:
        await _explain(config, command, error)


async def _explain(config: Config, command: str, error: KafkaUnavailable) -> None:
    """Raise KafkaUnavailable with why Kafka could not be used, if that can be found out."""
    cause = await access_probe_of(config, command).cause()
    if cause is None:
        return
    step = cause.next_step
    if ("kafka", "bootstrap_servers") not in config.origins and not _has_file(config):
        step = "no settings file was given: --config or CHATBRIDGE_CONFIG"
    raise KafkaUnavailable(cause.message, next_step=step, code=cause.code) from error


def _has_file(config: Config) -> bool:
    return any(origin.startswith("file ") for origin in config.origins.values())
