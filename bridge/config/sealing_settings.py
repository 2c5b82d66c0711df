"""The section `sealing` of the settings: the master key, and the topic of the keys that it wraps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.config.section import Count, Section, secret

if TYPE_CHECKING:
    from collections.abc import Callable


class SealingSettings(Section):
    """Master keys for outputs that are sealed. Without one no output can be sealed, and no topic of keys is needed."""

    master_key_file: str | None = Field(
        default=None,
        description="File with the master key that wraps the keys of chats: 64 hexadecimal digits "
        "(`openssl rand -hex 32`). It is read again when it changes.",
    )
    former_master_key_files: tuple[str, ...] = Field(
        default=(), description="Files with former master keys, which unwrap what they have wrapped."
    )
    pkcs11_module: str | None = Field(
        default=None,
        pattern=r"^/",
        description="Path of the shared library of a PKCS #11 token that holds the master key (AES, 256 bits), instead "
        "of a file. Needs `pip install 'chatbridge[pkcs11]'`.",
    )
    pkcs11_token: str | None = Field(default=None, min_length=1, description="Label of the token.")
    pkcs11_key_label: str | None = Field(
        default=None,
        min_length=1,
        description="Label of the master key in the token. It is the key's id: give each key another one.",
    )
    former_pkcs11_key_labels: tuple[str, ...] = Field(
        default=(), description="Labels of former master keys in the token, which unwrap what they have wrapped."
    )
    pkcs11_pin_file: str | None = Field(
        default=None,
        description="File that holds the PIN of the token's user. A PIN that the token refused is given to it again "
        "only after this file has changed.",
    )
    pkcs11_pin: SecretStr | None = Field(default=None, description="PIN of the token's user.")
    key_compaction_seconds: Count = Field(
        default=600,
        ge=1,
        description="How long the topic of keys that the bridge creates may keep a key that was destroyed, until Kafka "
        "compacts it (`max.compaction.lag.ms` and `segment.ms`).",
    )

    @field_validator("pkcs11_module")
    @classmethod
    def _one_master_key(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("master_key_file") is not None:
            raise ValueError("expected one of master_key_file and pkcs11_module")
        return value

    @field_validator("pkcs11_pin")
    @classmethod
    def _all_of_the_token(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        names = ("pkcs11_module", "pkcs11_token", "pkcs11_key_label", "pkcs11_pin_file")
        if not all(name in info.data for name in names):
            return value  # one of them has been reported
        module, token, key_label, file = (info.data[name] for name in names)
        found = [each is not None for each in (module, token, key_label, value or file)]
        if any(found) and not all(found):
            raise ValueError(
                "pkcs11_module, pkcs11_token, pkcs11_key_label, and pkcs11_pin or pkcs11_pin_file go together"
            )
        return value

    @property
    def has_master_key(self) -> bool:
        """Whether a master key is configured."""
        return self.master_key_file is not None or self.pkcs11_module is not None

    def pin(self) -> Callable[[], str]:
        """Return what gives the present PIN of the token. Raises OSError or ValueError."""
        given = secret(self.pkcs11_pin, self.pkcs11_pin_file)
        if given is None:
            raise ValueError("no PIN is set")
        return given
