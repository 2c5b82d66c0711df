"""The section `schema_registry` of the settings."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.config.section import Seconds, Section, secret
from bridge.config.tls_settings import ClientTls
from bridge.tls import RenewedContext

if TYPE_CHECKING:
    from collections.abc import Callable


class RegistryAuth(Section):
    """Authentication at the schema registry: a user and a password, or a bearer token."""

    user: str | None = Field(default=None, description="User name.")
    password: SecretStr | None = Field(default=None, description="Password.")
    password_file: str | None = Field(default=None, description="File that holds the password.")
    bearer_token_file: str | None = Field(default=None, description="File that holds the token.")
    bearer_token: SecretStr | None = Field(default=None, description="Bearer token, instead of a user.")

    @field_validator("bearer_token")
    @classmethod
    def _instead_of_a_user(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is not None and info.data.get("user") is not None:
            raise ValueError("expected either user or bearer_token")
        return value

    def header(self) -> Callable[[], str | None]:
        """Return what gives the present value of the Authorization header; None without authentication.

        Raises OSError or ValueError when a file cannot be read now.
        """
        password, token = secret(self.password, self.password_file), secret(self.bearer_token, self.bearer_token_file)
        user = self.user
        if token is not None:
            return lambda: f"Bearer {token()}"
        if user is None:
            return lambda: None
        return lambda: _basic(user, "" if password is None else password())


class SchemaRegistrySettings(Section):
    """Where schemas are registered. Without a URL, records use Avro's single-object encoding."""

    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s@,]+(\s*,\s*https?://[^\s@,]+)*$",
        description="URL of a registry with the Confluent API, without credentials. Several ones of the same registry, "
        "separated by commas or as a list, are tried in turn.",
    )
    auth: RegistryAuth = Field(default_factory=RegistryAuth)
    tls: ClientTls = Field(default_factory=ClientTls)
    timeout_seconds: Seconds = Field(default=10.0, description="Time limit of one request.")

    @field_validator("url", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """Take a list of URLs as Confluent's clients write it."""
        if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
            return ",".join(value) or None
        return value

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs in the order in which they are tried; empty without a registry."""
        return () if self.url is None else tuple(each.strip() for each in self.url.split(","))

    def context(self) -> RenewedContext | None:
        """Return the TLS context of connections to the registry, None without a URL with https. Raises OSError."""
        return RenewedContext(self.tls.files) if any(url.startswith("https:") for url in self.urls) else None


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
