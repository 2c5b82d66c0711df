"""The section `http` of the settings: listeners, tokens and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.config.section import PerSecond, Section, secret
from bridge.config.tls_settings import ListenerTls

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
TOKENS: Final = ("token", "read_token", "announce_token", "metrics_token")
"""The settings of tokens; each can be in a file instead."""
_LEAST_CHARACTERS: Final = 16


class HttpSettings(Section):
    """Probes, metrics, the sessions API and the status page."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on; `*` is every address, IPv4 and IPv6. A token is required unless it is "
        "loopback.",
    )
    port: int = Field(default=8080, ge=0, le=65_535, description="Port to listen on; 0 chooses a free one.")
    probes_host: str = Field(
        default="127.0.0.1", min_length=1, description="Address of the listener for probes and metrics, as `host`."
    )
    probes_port: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="Port of a second listener, which serves `/livez`, `/readyz` and `/metrics` only. Without it there "
        "is none; the first listener serves them in any case.",
    )
    tls: ListenerTls = Field(default_factory=ListenerTls)
    read_token_file: str | None = Field(default=None, description="File that holds the token.")
    read_token: SecretStr | None = Field(
        default=None, min_length=_LEAST_CHARACTERS, description="Bearer token that may list sessions."
    )
    announce_token_file: str | None = Field(default=None, description="File that holds the token.")
    announce_token: SecretStr | None = Field(
        default=None, min_length=_LEAST_CHARACTERS, description="Bearer token that may announce chats."
    )
    metrics_token_file: str | None = Field(default=None, description="File that holds the token.")
    metrics_token: SecretStr | None = Field(
        default=None, min_length=_LEAST_CHARACTERS, description="Bearer token that may read the metrics."
    )
    open_metrics: bool = Field(
        default=False, description="Let everybody who reaches a listener read the metrics: they have no personal data."
    )
    requests_per_second: PerSecond = Field(
        default=200.0,
        description="Requests per second from one address, and twice as many at once; more are answered with 429. "
        "Probes are not counted.",
    )
    failed_tokens_per_minute: PerSecond = Field(
        default=20.0,
        description="Wrong tokens per minute from one address, and as many at once; after that its requests with a "
        "token are answered with 429 for seconds, also those with the right one.",
    )
    token_file: str | None = Field(default=None, description="File that holds the token.")
    token: SecretStr | None = Field(
        default=None,
        min_length=_LEAST_CHARACTERS,
        description="Bearer token of the administrator, who may do everything; 16 characters or more, as all tokens.",
    )

    @field_validator("token")
    @classmethod
    def _required_beyond_loopback(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        # A token_file that could not be read is a problem of its own, and reported as such.
        given = (info.data.get(f"{name}{kind}") for name in TOKENS for kind in ("", "_file"))
        if value is None and info.data.get("host", "localhost") not in LOOPBACK and not any(given):
            files = ", ".join(f"http.{name}_file" for name in TOKENS)
            raise ValueError(f"a token is required when http.host is not loopback; set one of {files}")
        return value

    def tokens(self) -> dict[str, Callable[[], str]]:
        """Return setting -> what gives the present token, for those of TOKENS that are set.

        Raises OSError or ValueError when a file cannot be read now.
        """
        found = {name: secret(getattr(self, name), getattr(self, f"{name}_file"), _LEAST_CHARACTERS) for name in TOKENS}
        return {name: token for name, token in found.items() if token is not None}
