"""The section `kafka.oauth` of the settings: where tokens for SASL OAUTHBEARER come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.config.section import Section, secret
from bridge.config.tls_settings import ClientTls
from bridge.tls import RenewedContext

if TYPE_CHECKING:
    from collections.abc import Callable


class OAuthSettings(Section):
    """Tokens for `kafka.client.sasl_mechanism` OAUTHBEARER: from a file, from an endpoint, or signed for Amazon MSK."""

    token_file: str | None = Field(
        default=None, description="File that holds a token, which somebody else replaces before it expires."
    )
    token_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s@]+$",
        description="URL of a token endpoint (OAuth 2.0 client credentials), without credentials.",
    )
    msk_region: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9-]{1,40}$",
        description="AWS region of an Amazon MSK cluster with IAM: tokens are signed with the credentials that AWS's "
        "default chain finds. Needs `pip install 'chatbridge[msk-iam]'`.",
    )
    client_id: str | None = Field(default=None, description="Client id at the endpoint.")
    client_secret_file: str | None = Field(default=None, description="File that holds the client secret.")
    client_secret: SecretStr | None = Field(default=None, description="Client secret.")
    tls: ClientTls = Field(default_factory=ClientTls)
    scope: str | None = Field(default=None, description="Scope to ask for.")

    @field_validator("token_endpoint", "msk_region")
    @classmethod
    def _one_source(cls, value: str | None, info: ValidationInfo) -> str | None:
        before = (info.data.get("token_file"), info.data.get("token_endpoint"))
        if value is not None and any(each is not None for each in before):
            raise ValueError("expected one of token_file, token_endpoint and msk_region")
        return value

    @field_validator("client_secret")
    @classmethod
    def _goes_with_the_endpoint(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if info.data.get("token_endpoint") is None:
            return value
        if info.data.get("client_id") is None or (value is None and info.data.get("client_secret_file") is None):
            raise ValueError("token_endpoint needs client_id, and client_secret or client_secret_file")
        return value

    def token(self) -> Callable[[], str] | None:
        """Return what gives the token of the file; None without one. Raises OSError or ValueError."""
        return secret(None, self.token_file)

    def secret(self) -> Callable[[], str] | None:
        """Return what gives the present client secret; None without one. Raises OSError or ValueError."""
        return secret(self.client_secret, self.client_secret_file)

    def context(self) -> RenewedContext | None:
        """Return the TLS context of connections to the endpoint, None for a URL without https. Raises OSError."""
        return RenewedContext(self.tls.files) if (self.token_endpoint or "").startswith("https:") else None
