"""Settings of TLS: for connections that the bridge makes, and for its own HTTP listener."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, model_validator

from bridge.config.section import Section
from bridge.config.security import key_password
from bridge.config.tls_file_problems import TlsFileSettings, tls_file_problem
from bridge.tls import RenewedContext, TlsFiles


def _with_certificate(key: str | None, info: ValidationInfo) -> str | None:
    if (info.data.get("certificate_file") is None) != (key is None):
        raise ValueError("certificate_file and key_file go together")
    return key


_KeyFile = Annotated[str | None, AfterValidator(_with_certificate)]


class ClientTls(Section):
    """Authorities and client certificate, for connections with TLS."""

    ca_file: str | None = Field(
        default=None, description="PEM file of trusted authorities; without it those of the system."
    )
    certificate_file: str | None = Field(
        default=None, description="PEM file of the client certificate, for mutual TLS."
    )
    key_file: _KeyFile = Field(default=None, description="PEM file of the key of the client certificate.")
    key_password_file: str | None = Field(default=None, description="File that holds the password of the key.")
    key_password: SecretStr | None = Field(default=None, description="Password of the key.")
    verify_hostname: bool = Field(default=True, description="Require that the server's certificate names its host.")

    @model_validator(mode="after")
    def _files_are_usable(self) -> Self:
        if getattr(self, "enabled", True) and self.files.names:  # without any there is nothing to try
            _refuse_unusable(self.files)
        return self

    @property
    def files(self) -> TlsFiles:
        """The files, for connections of a client."""
        return _files(
            self.ca_file,
            self.certificate_file,
            self.key_file,
            self.key_password,
            self.key_password_file,
            verify_hostname=self.verify_hostname,
        )


class _Switch(Section):
    enabled: bool = Field(default=False, description="Connect with TLS.")


class LinkTls(ClientTls, _Switch):
    """TLS of the connections to Chat Server or to the gateway."""

    def context(self) -> RenewedContext | None:
        """Return the context to connect with, or None when TLS is off. Raises OSError."""
        return RenewedContext(self.files) if self.enabled else None


class ListenerTls(Section):
    """TLS of the HTTP listeners: on as soon as a certificate is set."""

    certificate_file: str | None = Field(
        default=None, description="PEM file of the server's certificate, with those between it and an authority."
    )
    key_file: _KeyFile = Field(default=None, description="PEM file of the key of the certificate.")
    key_password_file: str | None = Field(default=None, description="File that holds the password of the key.")
    key_password: SecretStr | None = Field(default=None, description="Password of the key.")

    @model_validator(mode="after")
    def _files_are_usable(self) -> Self:
        if self.certificate_file is not None:
            _refuse_unusable(self._files, server=True)
        return self

    def context(self) -> RenewedContext | None:
        """Return the context to listen with, or None without a certificate. Raises OSError."""
        if self.certificate_file is None:
            return None
        return RenewedContext(self._files, server=True)

    @property
    def _files(self) -> TlsFiles:
        return _files(None, self.certificate_file, self.key_file, self.key_password, self.key_password_file)


def _refuse_unusable(files: TlsFiles, *, server: bool = False) -> None:
    problem = tls_file_problem(files, TlsFileSettings(), server=server)
    if problem is not None:
        raise ValueError(problem)


def _files(  # noqa: PLR0913 - the settings of a section, in their order
    ca: str | None,
    certificate: str | None,
    key: str | None,
    password: SecretStr | None,
    password_file: str | None,
    *,
    verify_hostname: bool = True,
) -> TlsFiles:
    given = None if password is None else password.get_secret_value()
    return TlsFiles(
        ca=ca,
        certificate=certificate,
        key=key,
        password=key_password(given, password_file),
        password_file=password_file,
        verify_hostname=verify_hostname,
    )
