"""The section `sources.ucs.http` of the settings: stored transcripts of Universal Contact Server over HTTP."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Literal

from pydantic import Field, SecretStr

from bridge.config.section import Seconds, Section, secret
from bridge.config.tls_settings import ClientTls
from bridge.tls import RenewedContext

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_BYTES = 64 << 20


class UcsHttpSettings(Section):
    """Asking UCS for one transcript by its id. Without a URL it is not asked."""

    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s@?#]+$",
        description="URL of the service, without credentials, with the path before `/interactions` or `/ucs/v1` if "
        "there is one. Nothing but its scheme, host and port is asked: it is the address that UCS itself names.",
    )
    interface: Literal["context_services", "ucs_9"] = Field(
        default="context_services", description="Context Services of UCS 8.5, or the interface of UCS 9.1."
    )
    archive: bool = Field(
        default=False, description="Ask UCS 9.1 also for its archive, about what its main data do not have."
    )
    username: str | None = Field(default=None, description="User of basic authentication.")
    password_file: str | None = Field(default=None, description="File that holds the password.")
    password: SecretStr | None = Field(default=None, description="Password.")
    tls: ClientTls = Field(default_factory=ClientTls)
    timeout_seconds: Seconds = Field(default=30.0, description="Time limit of one request.")
    largest_text_bytes: int = Field(
        default=16 << 20, ge=1_024, le=_MOST_BYTES, description="Longest transcript that is read."
    )

    def authorization(self) -> Callable[[], str | None]:
        """Return what gives the present value of the Authorization header; None without authentication.

        Raises OSError or ValueError when the file cannot be read now.
        """
        password, user = secret(self.password, self.password_file), self.username
        if user is None:
            return lambda: None
        return lambda: _basic(user, "" if password is None else password())

    def context(self) -> RenewedContext | None:
        """Return the TLS context, None without https. Raises OSError."""
        return RenewedContext(self.tls.files) if self.url is not None and self.url.startswith("https:") else None


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
