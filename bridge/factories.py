"""Builds topic lists and client arguments from the settings, for `app` and the commands."""

from __future__ import annotations

import hashlib
import json
import platform
import socket
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import aiokafka

from bridge import __version__, logs
from bridge.adapters.http.access import AccessTokens
from bridge.adapters.http.administration import AdministrationApi
from bridge.adapters.http.http_server import Api, HttpServer, Listener
from bridge.adapters.http.status_report import StatusApi
from bridge.adapters.kafka.access_probe import AccessProbe, RightsCheck
from bridge.adapters.kafka.connection_causes import ClientFacts
from bridge.adapters.kafka.connection_probe import ConnectionProbe, ProbeSettings
from bridge.adapters.kafka.msk_iam_tokens import MskIamTokens, installed_signer
from bridge.adapters.kafka.oauth_tokens import EndpointTokens, FileTokens, RenewedTokens, TokenEndpoint
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
from bridge.adapters.open_tasks import open_tasks
from bridge.adapters.process_limits import memory_limit
from bridge.config import origins
from bridge.config.security import OAUTHBEARER, client_context
from bridge.core_form import core_form
from bridge.errors import AccessDenied, AnnouncementsNotWritten, ConfigError, KafkaUnavailable
from bridge.evidence_factory import signs
from bridge.otlp_traces import OtlpTraces
from bridge.output_topics import names_by_output, output_settings_of
from bridge.sealing_factory import key_compaction_of
from bridge.secret_files import FileBacked
from bridge.status_reports import WorkerIdentity
from bridge.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bridge.adapters.http.status_report import ReportSource
    from bridge.config import Config, OAuthSettings
    from bridge.config.security import ClientArguments
    from bridge.facts import Fact
    from bridge.secrets_watch import SecretsWatch
    from bridge.status import WorkerStatus
    from bridge.tls import RenewedContext

    _Result = TypeVar("_Result")

_HASH_DIGITS: Final = 12


def kafka_arguments(config: Config) -> ClientArguments:
    """Return the keyword arguments that every aiokafka client needs, but for the servers. To be called in a loop.

    Raises ConfigError when OAUTHBEARER has no source of tokens, or lacks the package for it; OSError or ValueError when
    a file cannot be used now.
    """
    kafka = config.kafka
    if kafka.client.get("sasl_mechanism") != OAUTHBEARER:
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
    kafka = config.kafka
    return TopicManager(kafka.bootstrap_servers, kafka_arguments(config), wanted_topics(config))


def all_topics_of(config: Config) -> TopicManager:
    """Return the manager of all topics: those that `run` creates, and those of the verbs that erase and hold chats."""
    return TopicManager(config.kafka.bootstrap_servers, kafka_arguments(config), every_topic(config))


def every_topic(config: Config) -> list[Topic]:
    """Return what `wanted_topics` does, and the topics of the verbs."""
    shape = _shape(config, config.kafka.partitions)
    return [*wanted_topics(config), *wanted_for_verbs(names_of(config), shape)]


def capturing_topics_of(config: Config) -> TopicManager:
    """Return the manager of the topics without which nothing can be captured: all but that of stored transcripts."""
    stored = names_of(config).stored
    topics = [topic for topic in wanted_topics(config) if topic.name != stored]
    return TopicManager(config.kafka.bootstrap_servers, kafka_arguments(config), topics)


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
    shared = wanted_of_installation(
        names_of(config), shape, evidence=signs(config), key_compaction=key_compaction_of(config)
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


def rights_check_of(config: Config, command: str, *, capturing: bool = False) -> RightsCheck:
    """Return what compares the rights of a command, as `chatbridge acls` prints them, with those that Kafka grants.

    With `capturing` only those without which nothing can be captured.
    """
    kafka, needed = config.kafka, needed_rights(config, command, all_outputs=command not in OUTPUT_READERS)
    if capturing:
        stored = names_of(config).stored
        needed = [right for right in needed if right.name != stored]
    return RightsCheck(kafka.bootstrap_servers, partial(kafka_arguments, config), needed)


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
        evidence=signs(config),
        sealing=config.sealing.has_master_key,
        others=others if all_outputs else (),
    )


def identity_of(config: Config) -> WorkerIdentity:
    """Return what the worker of this process is called."""
    return WorkerIdentity(
        version=__version__,
        worker=config.worker_id,
        host=socket.gethostname(),
        group=config.kafka.group,
        site=config.site,
        client_version=config.sources.chat_server.client_version,
    )


def listeners_of(config: Config, secrets: SecretsWatch) -> list[Listener]:
    """Return where the HTTP server listens: one place, or a second one for probes and metrics.

    The files of tokens and certificate are added to `secrets`.
    """
    http = config.http
    tokens, tls = http.tokens(), http.tls.context()
    secrets.add_context("http", tls)
    for name, token in tokens.items():
        secrets.add(f"http_{name}", token if isinstance(token, FileBacked) else None)
    listener = Listener(
        host=http.host,
        port=http.port,
        tls=tls,
        access=AccessTokens(
            admin=tokens.get("token"),
            read=tokens.get("read_token"),
            announce=tokens.get("announce_token"),
            metrics=tokens.get("metrics_token"),
            open_metrics=http.open_metrics,
        ),
        requests_per_second=http.requests_per_second,
        failed_tokens_per_minute=http.failed_tokens_per_minute,
    )
    if http.probes_port is None:
        return [listener]
    return [listener, replace(listener, host=http.probes_host, port=http.probes_port, only_probes=True)]


def servers_of(
    config: Config, secrets: SecretsWatch, view: WorkerStatus, emit: Callable[[Fact], None], reports: ReportSource
) -> list[HttpServer]:
    """Return the HTTP servers of a worker: one for each listener. `emit` takes what they tell of requests."""
    apis: list[Api] = [StatusApi(reports), AdministrationApi(view, emit)]
    return [HttpServer(view, each, apis=apis, emit=emit) for each in listeners_of(config, secrets)]


def access_probe_of(config: Config, command: str, *, capturing: bool = False) -> AccessProbe:
    """Return what finds out why a command cannot do its work on Kafka; `capturing` as in `rights_check_of`."""
    return AccessProbe(probe_of(config), rights_check_of(config, command, capturing=capturing))


def described(config: Config) -> dict[str, str]:
    """Return what runs: the versions, and a hash of the settings without secrets and without what is this worker's."""
    shown = [[key, value] for key, value, _ in origins(config) if key != "worker_id"]
    lists = config.model_dump_json(include={"outputs", "privacy"})  # of which `shown` has the names only
    digest = hashlib.sha256(json.dumps([*shown, lists], default=str).encode()).hexdigest()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "aiokafka": aiokafka.__version__,
        "core": core_form(),
        "settings": digest[:_HASH_DIGITS],
    }


def telemetry_of(config: Config) -> Telemetry:
    """Return the telemetry of a worker. Raises ConfigError when traces are wanted and their packages are missing."""
    telemetry, told = Telemetry(), described(config)
    logs.count_lines(telemetry.line_written)
    telemetry.watch_each("tasks", open_tasks)
    telemetry.watch_memory_limit(memory_limit)
    telemetry.describe(**told)
    traces = config.telemetry.traces
    if traces.endpoint is not None:
        who = {
            "service.name": "chatbridge",
            "service.version": told["version"],
            "service.namespace": config.kafka.group,
            "service.instance.id": config.worker_id,
        }
        telemetry.trace(OtlpTraces(traces.endpoint, who, traces.transactions_ratio))
    return telemetry


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
        step = cause.next_step
        if ("kafka", "bootstrap_servers") not in config.origins and not _has_file(config):
            step = "no settings file was given: --config or CHATBRIDGE_CONFIG"
        raise KafkaUnavailable(cause.message, next_step=step, code=cause.code) from error


def _has_file(config: Config) -> bool:
    return any(origin.startswith("file ") for origin in config.origins.values())
