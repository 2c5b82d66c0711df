"""The section `sealing` of the settings: the master key, and the topic of the keys that it wraps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.config.section import Count, Section
from bridge.config.token_pin import present_pin, whole_token

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

    _all_of_the_token = field_validator("pkcs11_pin")(whole_token)

    @property
    def has_master_key(self) -> bool:
        """Whether a master key is configured."""
        return self.master_key_file is not None or self.pkcs11_module is not None

    def pin(self) -> Callable[[], str]:
        """Return what gives the present PIN of the token. Raises OSError or ValueError."""
        return present_pin(self.pkcs11_pin, self.pkcs11_pin_file)
