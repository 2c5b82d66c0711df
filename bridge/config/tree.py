"""The settings as typed values with defaults that work for a local trial.

Units stand in the names (`_seconds`, `_bytes`). No representation of a value here shows a secret. A rule that
spans two settings stands on the later one, so that validation finds it beside all other problems.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from bridge.addresses import split_address
from bridge.config.security import checked_client, client_arguments, tls_context
from bridge.records import patterns

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from pydantic_settings import PydanticBaseSettingsSource

DAY_SECONDS: Final = 86_400
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def _is_address(value: str) -> str:
    split_address(value)
    return value


def _are_addresses(value: str) -> str:
    for part in value.split(","):
        split_address(part.strip())
    return value


Address = Annotated[str, AfterValidator(_is_address)]
Addresses = Annotated[str, AfterValidator(_are_addresses)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,200}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class KafkaSettings(_Section):
    """The cluster, the topics' names and shape, the transaction."""

    bootstrap_servers: Addresses = Field(default="localhost:9092", description="brokers, host:port[,host:port...]")
    client: Annotated[dict[str, object], AfterValidator(checked_client)] = Field(
        default_factory=dict,
        repr=False,
        description="for every Kafka client: security_protocol, sasl_..., ssl_...; ..._file for secrets",
    )
    topic_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,200}$", description="put before every topic name")
    group: Name = Field(default="chatbridge", description="consumer group; also names the transactional ids")
    partitions: int = Field(
        default=12, ge=1, le=10_000, description="shards; cannot be changed once chats are captured"
    )
    replication_factor: int = Field(
        default=1, ge=1, le=100, description="of topics the bridge creates; 3 in production"
    )
    compression: Literal["zstd", "lz4", "snappy", "gzip", "none"] = Field(default="zstd", description="of all records")
    max_record_bytes: int = Field(default=1_000_000, ge=65_536, description="larger records are quarantined in pieces")
    transaction_timeout_seconds: float = Field(
        default=60.0, ge=10, le=900, description="after it Kafka aborts what hangs"
    )
    session_timeout_seconds: float = Field(
        default=15.0, ge=6, le=300, description="without a heartbeat for so long, a replica's shards go to others"
    )
    retention_seconds: Count = Field(default=7 * DAY_SECONDS, description="of events, sessions and quarantine")
    announcement_retention_seconds: Count = Field(
        default=3 * DAY_SECONDS, description="passwords lie there: days, not months"
    )

    def client_arguments(self) -> dict[str, Any]:
        """Return what `client` means as keyword arguments of an aiokafka client, secrets read in."""
        return client_arguments(self.client)


class RegistryAuth(_Section):
    """Basic authentication at the schema registry."""

    user: str | None = Field(default=None, description="user name")
    password: SecretStr | None = Field(default=None, description="password")
    password_file: str | None = Field(default=None, description="file that holds the password")


class SchemaRegistrySettings(_Section):
    """Where schemas are registered; without a URL records are framed as Avro single objects."""

    url: str | None = Field(
        default=None, pattern=r"^https?://[^\s@]+$", description="http(s)://host:port, no credentials in it"
    )
    auth: RegistryAuth = Field(default_factory=RegistryAuth)
    timeout_seconds: Seconds = Field(default=10.0, description="for one request")


class LinkTls(_Section):
    """TLS towards Chat Server or the gateway."""

    enabled: bool = Field(default=False, description="speak TLS")
    ca_file: str | None = Field(default=None, description="PEM of trusted authorities; the system's when not given")
    certificate_file: str | None = Field(default=None, description="PEM of our certificate, for mutual TLS")
    key_file: str | None = Field(default=None, description="PEM of its key")
    verify_hostname: bool = Field(default=True, description="the certificate must name the host")

    @field_validator("key_file")
    @classmethod
    def _go_together(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is None) != (info.data.get("certificate_file") is None):
            raise ValueError("certificate_file and key_file go together")
        return value

    @field_validator("verify_hostname")
    @classmethod
    def _files_are_usable(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic calls it
        if info.data.get("enabled") and {"ca_file", "certificate_file", "key_file"} <= info.data.keys():
            try:
                tls_context(info.data["ca_file"], info.data["certificate_file"], info.data["key_file"])
            except OSError as error:
                raise ValueError(f"the TLS files cannot be used: {error}") from None
        return value

    def context(self) -> ssl.SSLContext | None:
        """Return the context to connect with, or None when TLS is off."""
        if not self.enabled:
            return None
        return tls_context(self.ca_file, self.certificate_file, self.key_file, verify_hostname=self.verify_hostname)


class ChatServerSettings(_Section):
    """How the bridge appears in chats, and how patient its connections are."""

    gateway: Address | None = Field(
        default=None, description="host:port of a PSDK gateway; without it the announced address"
    )
    nickname: str = Field(default="bridge", min_length=1, max_length=64, description="shown to other supervisors")
    person_id: str = Field(default="", max_length=64, description="employee id to register with")
    user_type: Literal["SUPERVISOR"] = Field(
        default="SUPERVISOR", description="fixed: only supervisors may join unseen"
    )
    client_version: int = Field(default=106, ge=101, le=106, description="the highest ClientVersion to declare")
    max_sessions_per_connection: Count = Field(default=100, description="chats on one connection; the vendor advises 1")
    register_timeout_seconds: Seconds = Field(default=10.0, description="Chat Server itself gives up after 30")
    join_timeout_seconds: Seconds = Field(default=10.0, description="for the answer to one join")
    ping_after_seconds: Seconds = Field(default=30.0, description="of silence")
    pong_timeout_seconds: Seconds = Field(default=10.0, description="then the connection counts as lost")
    reconnect_attempts: Count = Field(default=15, description="the vendor's template")
    reconnect_delay_seconds: Seconds = Field(default=10.0, description="between attempts, jittered")
    joins_per_second: Seconds = Field(default=10.0, description="the vendor sizes a server for 10 openings a second")
    joins_peak: Count = Field(default=30, description="joins that may go out in one burst")
    inbound_frame_bytes: int = Field(default=1 << 20, ge=32_768, description="a join replays the whole transcript")
    tls: LinkTls = Field(default_factory=LinkTls)


class CaptureSettings(_Section):
    """Buffers and patience between links and Kafka."""

    inbox_bytes: int = Field(
        default=64 << 20, ge=1 << 20, description="of one replica with all shards; when full, reading pauses"
    )
    linger_max_seconds: float = Field(default=0.25, ge=0, le=5, description="longest wait to fill a batch")
    drain_seconds: Seconds = Field(default=25.0, description="from SIGTERM to exit; below the pod's grace period")
    checkpoint_retention_seconds: Count | None = Field(
        default=None, description="of closed chats, at least; in any case as long as Kafka keeps their records"
    )


class HttpSettings(_Section):
    """Probes, metrics and the sessions API."""

    host: str = Field(default="127.0.0.1", min_length=1, description="a token is required unless this is loopback")
    port: int = Field(default=8080, ge=0, le=65_535, description="0 = any free port")
    token_file: str | None = Field(default=None, description="file that holds the token")
    token: SecretStr | None = Field(default=None, min_length=16, description="bearer token of the API")

    @field_validator("token")
    @classmethod
    def _required_beyond_loopback(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # A token_file that could not be read is a problem of its own, and reported as such.
        if value is None and info.data.get("host", "localhost") not in LOOPBACK and not info.data.get("token_file"):
            raise ValueError("required when http.host is not loopback; set http.token_file")
        return value

    @property
    def loopback(self) -> bool:
        """Tell whether only this machine can connect."""
        return self.host in LOOPBACK


class PrivacyRule(_Section):
    """Hide one attribute, or what one detector finds in texts."""

    name: Name = Field(description="stands in `redactions`")
    attribute: str | None = Field(default=None, description="path in userData or eventAttributes, `*` for any part")
    detector: Literal["payment_card", "iban", "email", "phone", "regex"] | None = Field(
        default=None, description="in texts"
    )
    pattern: str | None = Field(default=None, description="of detector `regex`; syntax of RE2")
    action: Literal["drop", "mask", "hash"] = Field(default="mask", description="what to do with what is found")

    @field_validator("detector")
    @classmethod
    def _one_target(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is None) == (info.data.get("attribute") is None):
            raise ValueError("expected either attribute or detector")
        return value

    @field_validator("pattern")
    @classmethod
    def _goes_with_regex(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is not None) != (info.data.get("detector") == "regex"):
            raise ValueError("goes with detector: regex, and only with it")
        if value is not None:
            patterns.compiled(value)
        return value


class PrivacySettings(_Section):
    """Redaction beyond the secrets that are always removed (P5)."""

    rules: tuple[PrivacyRule, ...] = Field(default=(), description="applied in order")
    hash_key_file: str | None = Field(default=None, description="file that holds the key")
    hash_key: SecretStr | None = Field(default=None, min_length=16, description="key of action `hash`")

    @field_validator("hash_key")
    @classmethod
    def _required_to_hash(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        hashing = any(rule.action == "hash" for rule in info.data.get("rules", ()))
        if value is None and hashing and not info.data.get("hash_key_file"):
            raise ValueError("required by a rule with action hash; set privacy.hash_key_file")
        return value


class LogSettings(_Section):
    """Log lines on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="lowest level shown")
    format: Literal["json", "text"] = Field(default="json", description="one JSON object, or one readable line")


class Config(BaseSettings):
    """All settings. Made by `load`; the default of every field is a working one for a local trial."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, validate_default=True)

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    schema_registry: SchemaRegistrySettings = Field(default_factory=SchemaRegistrySettings)
    chat_server: ChatServerSettings = Field(default_factory=ChatServerSettings)
    capture: CaptureSettings = Field(default_factory=CaptureSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    privacy: PrivacySettings = Field(default_factory=PrivacySettings)
    log: LogSettings = Field(default_factory=LogSettings)
    worker_id: Name = Field(default_factory=socket.gethostname, description="stable name of this replica (host name)")

    _origins: dict[tuple[str, ...], str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `load` hands over and nothing else: no environment is read behind its back."""
        return (init_settings,)

    @property
    def origins(self) -> Mapping[tuple[str, ...], str]:
        """Where values came from, by path; a setting that is not under any of them has its default."""
        return self._origins

    def remember(self, origins: Mapping[tuple[str, ...], str]) -> None:
        """Note where values came from."""
        self._origins.update(origins)
