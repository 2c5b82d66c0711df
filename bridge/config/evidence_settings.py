"""The section `evidence` of the settings: the signing key, and how often the heads of the log are published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.config.section import Count, Seconds, Section
from bridge.config.token_pin import present_pin, whole_token

if TYPE_CHECKING:
    from collections.abc import Callable


class EvidenceSection(Section):
    """Signatures and the transparency log. Without a signing key nothing is signed, and no topic is needed for it."""

    signing_key_file: str | None = Field(
        default=None,
        description="File with the Ed25519 private key that signs session records and anchors: PEM, PKCS #8, without a "
        "password (`chatbridge keys new`). It is read again when it changes.",
    )
    pkcs11_module: str | None = Field(
        default=None,
        pattern=r"^/",
        description="Path of the shared library of a PKCS #11 token that holds the signing key (Ed25519), instead of a "
        "file. Needs `pip install 'chatbridge[pkcs11]'`.",
    )
    pkcs11_token: str | None = Field(default=None, min_length=1, description="Label of the token.")
    pkcs11_key_label: str | None = Field(
        default=None, min_length=1, description="Label of the private key and of its public key in the token."
    )
    pkcs11_pin_file: str | None = Field(
        default=None,
        description="File that holds the PIN of the token's user. A PIN that the token refused is given to it again "
        "only after this file has changed.",
    )
    pkcs11_pin: SecretStr | None = Field(default=None, description="PIN of the token's user.")
    signing_key_name: str | None = Field(
        default=None,
        max_length=300,
        pattern=r"^[^\s+]+$",
        description="Name of the key in signatures, and what origins of the log begin with; unique for the "
        "installation, and to be kept. Without it `chatbridge/<site>/<name of the sessions topic>`.",
    )
    key_list_file: str | None = Field(
        default=None,
        description="File with the list of public keys, former ones included, that is published beside the anchors. "
        "`chatbridge keys new` writes it.",
    )
    anchor_seconds: Seconds = Field(
        default=60.0, description="Time between two anchors of a partition to which something was written."
    )
    anchor_records: Count = Field(
        default=10_000, description="Records of a partition after which an anchor is due before that time is over."
    )

    timestamp_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s@]+$",
        description="Where a time stamping authority takes requests (RFC 3161 over HTTP): signed heads of the log get "
        "stamps of its. Needs `pip install 'chatbridge[timestamps]'` and `timestamp_ca_file`.",
    )
    timestamp_ca_file: str | None = Field(
        default=None,
        description="File with the certificates of that authority, PEM: its root, and those between if its replies "
        "lack them. A reply that they do not prove is not kept. It is read at the start.",
    )
    timestamp_seconds: Seconds = Field(
        default=3600.0, description="Shortest time between two time stamps of the log of one partition."
    )
    timestamp_timeout_seconds: Seconds = Field(
        default=10.0, description="Time limit of one request for a time stamp. Commits do not wait for it."
    )

    @field_validator("pkcs11_module")
    @classmethod
    def _one_key(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("signing_key_file") is not None:
            raise ValueError("expected one of signing_key_file and pkcs11_module")
        return value

    _all_of_the_token = field_validator("pkcs11_pin")(whole_token)

    @field_validator("timestamp_ca_file")
    @classmethod
    def _all_of_the_authority(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "timestamp_url" not in info.data:
            return value  # it has been reported
        url = info.data["timestamp_url"]
        if (url is None) != (value is None):
            raise ValueError("timestamp_url and timestamp_ca_file go together")
        if url is not None and (info.data.get("signing_key_file") or info.data.get("pkcs11_module")) is None:
            raise ValueError("expected signing_key_file or pkcs11_module: only signed heads are stamped")
        return value

    @property
    def signs(self) -> bool:
        """Whether a signing key is configured."""
        return self.signing_key_file is not None or self.pkcs11_module is not None

    def pin(self) -> Callable[[], str]:
        """Return what gives the present PIN of the token. Raises OSError or ValueError."""
        return present_pin(self.pkcs11_pin, self.pkcs11_pin_file)
