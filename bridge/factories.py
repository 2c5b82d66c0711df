"""Builds topic lists, redactor and client arguments from the settings, for `app` and the commands."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bridge.adapters.kafka.access_probe import AccessProbe, RightsCheck
from bridge.adapters.kafka.connection_causes import ClientFacts
from bridge.adapters.kafka.connection_probe import ConnectionProbe, ProbeSettings
from bridge.adapters.kafka.rights import rights_of
from bridge.adapters.kafka.topic_manager import Topic, TopicManager, TopicNames, TopicShape, wanted
from bridge.config.security import client_context
from bridge.errors import AccessDenied, AnnouncementsNotWritten, KafkaUnavailable
from bridge.records.avro import QUARANTINED_INPUT, SESSION_CHECKPOINT, SESSION_RECORD, TRANSCRIPT_EVENT
from bridge.records.redact import Redactor, Rule

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from bridge.config import Config

    _Result = TypeVar("_Result")

SCHEMA_BY_TOPIC: Final = {
    "events": TRANSCRIPT_EVENT,
    "sessions": SESSION_RECORD,
    "quarantine": QUARANTINED_INPUT,
    "checkpoints": SESSION_CHECKPOINT,
}
"""Kind of topic -> full name of the Avro type that its values have."""

REGISTERED: Final = ("events", "sessions", "quarantine")
"""Kinds of topics whose schemas a registry has; the others are for the bridge alone and carry their schemas."""


def topics_of(config: Config) -> TopicManager:
    """Return the manager of an installation's topics."""
    kafka = config.kafka
    return TopicManager(kafka.bootstrap_servers, kafka.client_arguments(), wanted_topics(config))


def wanted_topics(config: Config) -> list[Topic]:
    """Return the required topics of an installation."""
    kafka = config.kafka
    shape = TopicShape(
        partitions=kafka.partitions,
        replication_factor=kafka.replication_factor,
        max_record_bytes=kafka.max_record_bytes,
        retention_seconds=kafka.retention_seconds,
        announcement_retention_seconds=kafka.announcement_retention_seconds,
    )
    return wanted(names_of(config), shape)


def names_of(config: Config) -> TopicNames:
    """Return the names of the topics."""
    return TopicNames(config.kafka.topic_prefix)


def redactor_of(config: Config) -> Redactor:
    """Return the redactor that applies the privacy rules."""
    key = config.privacy.hash_key.get_secret_value().encode() if config.privacy.hash_key else None
    return Redactor(
        [
            Rule(
                name=rule.name,
                attribute=rule.attribute,
                detector=rule.detector,
                pattern=rule.pattern,
                action=rule.action,
                key=key,
            )
            for rule in config.privacy.rules
        ]
    )


def client_of(config: Config) -> dict[str, Any]:
    """Return the keyword arguments that every aiokafka client needs."""
    return {"bootstrap_servers": config.kafka.bootstrap_servers, **config.kafka.client_arguments()}


def subjects_of(names: TopicNames) -> Mapping[str, str]:
    """Return subject of a registry -> full name of the Avro type that the values of its topic have."""
    return {f"{getattr(names, kind)}-value": SCHEMA_BY_TOPIC[kind] for kind in REGISTERED}


def probe_of(config: Config) -> ConnectionProbe:
    """Return what finds out why Kafka cannot be used."""
    kafka = config.kafka
    return ConnectionProbe(
        ProbeSettings(
            kafka.bootstrap_servers,
            ClientFacts.of(kafka.client),
            kafka.client_arguments,
            partial(client_context, kafka.client, any_name=True),
        )
    )


def rights_check_of(config: Config, command: str) -> RightsCheck:
    """Return what compares the rights of a command, as `chatbridge acls` prints them, with those that Kafka grants."""
    kafka = config.kafka
    needed = rights_of(command, names_of(config), kafka.group, create=kafka.manage_topics == "create")
    return RightsCheck(kafka.bootstrap_servers, kafka.client_arguments, needed)


def access_probe_of(config: Config, command: str) -> AccessProbe:
    """Return what finds out why a command cannot do its work on Kafka."""
    return AccessProbe(probe_of(config), rights_check_of(config, command))


async def explained(config: Config, command: str, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Await what a command does with Kafka, once it is known to have the rights for it.

    A KafkaUnavailable says why, if a connection made for that purpose tells. AnnouncementsNotWritten is raised as it
    is, because of its number.
    """
    try:
        try:
            await rights_check_of(config, command).check()
        except BaseException:
            work.close()
            raise
        return await work
    except (AccessDenied, AnnouncementsNotWritten):
        raise
    except KafkaUnavailable as error:
        cause = await access_probe_of(config, command).cause()
        if cause is None:
            raise
        raise KafkaUnavailable(cause.message, next_step=cause.next_step, code=cause.code) from error
