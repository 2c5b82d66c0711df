"""The tree of all settings: types, limits, descriptions, and defaults that work for a local trial.

Names end in their unit (`_seconds`, `_bytes`). No representation of a value shows a secret. A rule that spans two
settings belongs to the later one, so that validation reports it together with all other problems. The descriptions are
the text of docs/reference/settings.md.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    Field,
    PrivateAttr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from bridge.config.evidence_settings import EvidenceSection
from bridge.config.http_settings import HttpSettings
from bridge.config.oauth_settings import OAuthSettings
from bridge.config.output_settings import TOPIC_PREFIX_PATTERN, OutputSettings, problems_of
from bridge.config.privacy_settings import PrivacySettings
from bridge.config.registry_settings import SchemaRegistrySettings
from bridge.config.sealing_settings import SealingSettings
from bridge.config.section import Addresses, Count, Name, Seconds, Section
from bridge.config.security import ClientArguments, checked_client
from bridge.config.source_settings import SourcesSettings
from bridge.config.telemetry_settings import TelemetrySettings
from bridge.records.ids import DEFAULT_SITE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_settings import PydanticBaseSettingsSource

DAY_SECONDS: Final = 86_400


class KafkaSettings(Section):
    """Cluster, topics and transactions."""

    bootstrap_servers: Addresses = Field(
        default="localhost:9092", description="Bootstrap brokers, host:port[,host:port...]."
    )
    client: Annotated[dict[str, object], AfterValidator(checked_client)] = Field(
        default_factory=dict,
        repr=False,
        description="Passed on to every Kafka client (SASL, TLS, time-outs); the keys are listed below.",
    )
    oauth: OAuthSettings = Field(default_factory=OAuthSettings)
    topic_prefix: str = Field(
        default="", pattern=TOPIC_PREFIX_PATTERN, description="Put before the name of every topic."
    )
    group: Name = Field(
        default="chatbridge", description="Consumer group of the workers; transactional ids begin with it, too."
    )
    partitions: int = Field(
        default=12,
        ge=1,
        le=10_000,
        description="Partitions of the topics that the bridge creates, one shard each: the largest useful number of "
        "workers. Topics that exist keep theirs, and it is used. `chatbridge topics grow` raises it.",
    )
    partitions_before: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = Field(
        default=(),
        description="Numbers of partitions that the topics had, or have before `chatbridge topics grow` raises them, "
        "ascending, the same in all workers and commands: chats that were announced under one of them stay on the "
        "partition that they had then. A number stays here as long as the topics live.",
    )
    replication_factor: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="Of the topics that the bridge creates, by default as many as the brokers' "
        "`default.replication.factor` says. With 3 or more, `min.insync.replicas` is 2.",
    )
    manage_topics: Literal["create", "never"] = Field(
        default="create",
        description="Whether `run` creates topics that are missing, or waits until others have. Neither alters topics: "
        "`chatbridge topics apply` does.",
    )
    compression: Literal["zstd", "lz4", "snappy", "gzip", "none"] = Field(
        default="zstd", description="Codec of all record batches."
    )
    max_record_bytes: int = Field(
        default=1_000_000,
        ge=65_536,
        description="Largest record to write; a larger one is quarantined in several parts.",
    )
    transaction_timeout_seconds: float = Field(
        default=60.0,
        ge=10,
        le=900,
        description="The broker aborts a transaction that stays open for longer; the bridge gives up on it, too.",
    )
    transactions: Literal["shard", "worker"] = Field(
        default="worker",
        description="What a transaction holds: the records of all shards of the worker, or those of one shard, which "
        "brokers before 3.0 need. Change it by a rolling restart, during which both may run.",
    )
    session_timeout_seconds: float = Field(
        default=15.0,
        ge=6,
        le=300,
        description="A worker that sends no heartbeat for this long loses its shards to others.",
    )
    retention_seconds: Count = Field(
        default=7 * DAY_SECONDS,
        description="Retention of the events, sessions and quarantine topics that the bridge creates.",
    )
    announcement_retention_seconds: Count = Field(
        default=3 * DAY_SECONDS,
        description="Retention of the announcements topic that the bridge creates. Announcements may hold session "
        "passwords: keep it to days, not months.",
    )

    @field_validator("partitions_before")
    @classmethod
    def _ascend(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("the numbers have to ascend")
        return value

    def client_arguments(self, more: Mapping[str, Any] | None = None) -> ClientArguments:
        """Return what `client` means as keyword arguments of an aiokafka client, and `more`; secrets read in."""
        return ClientArguments(self.client, more)


class CaptureSettings(Section):
    """Buffers, batches, draining on shutdown, and retention of closed chats."""

    inbox_bytes: int = Field(
        default=64 << 20,
        ge=1 << 20,
        description="Memory for input that is not committed yet, in a worker that owns all shards. Divided equally "
        "among the shards, at least 1 MiB each. A shard that has used up its part stops reading connections and "
        "announcements; one read may exceed it: at most 256 KiB per connection, 1 MiB of announcements.",
    )
    linger_max_seconds: float = Field(
        default=0.25,
        ge=0,
        le=5,
        description="Longest time that a batch waits for more events under load, with kafka.transactions: shard.",
    )
    drain_seconds: Seconds = Field(
        default=25.0, description="From SIGTERM to exit; keep it below the pod's termination grace period."
    )
    closed_retention_seconds: Count = Field(
        default=30 * 86_400,
        description="How long closed chats are remembered at least, so that what comes late still finds its chat. "
        "In any case it is as long as Kafka may still hold their events or announcements (retention.ms and segment.ms "
        "of the topics, read at start), so that a chat that is announced again is not published twice; a smaller value "
        "is named in a warning at start.",
    )


class LogSettings(Section):
    """Log lines on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is written."
    )
    format: Literal["json", "text"] = Field(
        default="json", description="One JSON object per line, or one readable line."
    )


class Config(BaseSettings):
    """All settings. Made by `load`; the default of every field is a working one for a local trial."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, validate_default=True)

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    schema_registry: SchemaRegistrySettings = Field(default_factory=SchemaRegistrySettings)
    sources: SourcesSettings = Field(default_factory=SourcesSettings)
    capture: CaptureSettings = Field(default_factory=CaptureSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    privacy: PrivacySettings = Field(default_factory=PrivacySettings)
    outputs: tuple[OutputSettings, ...] = Field(
        default=(),
        description="Where the records of chats go, in which form, and which of them; commands that read one output "
        "read the first. Without a value there is one output, `default`, that has everything. The keys of an output "
        "are listed below.",
    )
    sealing: SealingSettings = Field(default_factory=SealingSettings)
    evidence: EvidenceSection = Field(default_factory=EvidenceSection)
    log: LogSettings = Field(default_factory=LogSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    site: str = Field(
        default=DEFAULT_SITE,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$",
        description="Name of the site or region that this bridge captures. It stands in every record and in its "
        "`ce_source`, so that records of several sites can share topics or be mirrored into one cluster; give each a "
        "name of its own, and keep it.",
    )
    worker_id: Name = Field(
        default_factory=socket.gethostname,
        description="Name of this worker, unique and the same after a restart (static group membership).",
    )

    _origins: dict[tuple[str, ...], str] = PrivateAttr(default_factory=dict)

    @field_validator("outputs")
    @classmethod
    def _differ_and_fit(cls, value: tuple[OutputSettings, ...], info: ValidationInfo) -> tuple[OutputSettings, ...]:
        if not {"kafka", "schema_registry", "privacy"} <= info.data.keys():  # which is a problem of its own
            return value
        kafka, registry, privacy = (info.data[key] for key in ("kafka", "schema_registry", "privacy"))
        problems = problems_of(
            value,
            topic_prefix=kafka.topic_prefix,
            max_record_bytes=kafka.max_record_bytes,
            rules=[rule.name for rule in privacy.rules],
            registry=bool(registry.urls),
        )
        if found := list(problems):
            raise ValueError("\n".join(found))
        return value

    @field_validator("sealing")
    @classmethod
    def _seals_what_is_to_be_sealed(cls, value: SealingSettings, info: ValidationInfo) -> SealingSettings:
        sealed = [one.name for one in info.data.get("outputs", ()) if one.sealed]
        if sealed and not value.has_master_key:
            needed = "sealing.master_key_file or sealing.pkcs11_module"
            raise ValueError(f"the output {sealed[0]} is sealed, which needs {needed}")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use only the values that `load` passes: pydantic-settings must not read the environment itself."""
        return (init_settings,)

    @property
    def origins(self) -> Mapping[tuple[str, ...], str]:
        """Origins of values by path; a setting that is not under any of them has its default."""
        return self._origins

    def remember(self, origins: Mapping[tuple[str, ...], str]) -> None:
        """Store the origins of the values."""
        self._origins.update(origins)
