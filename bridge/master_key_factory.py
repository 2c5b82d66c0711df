"""Builds what wraps and unwraps the keys of chats, from the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.errors import ConfigError
from bridge.secret_files import FileBacked, reason_of
from bridge.token_factory import token_of

if TYPE_CHECKING:
    from bridge.adapters.sealing.file_wrapper import FileWrapper
    from bridge.adapters.sealing.token_wrapper import TokenWrapper
    from bridge.config import Config
    from bridge.sealing.data_keys import KeyWrapper
    from bridge.secrets_watch import SecretsWatch


def master_key_of(config: Config, secrets: SecretsWatch | None = None) -> KeyWrapper | None:
    """Return the master key, None without one; `secrets` get its files. Raises ConfigError when they cannot be used."""
    if not config.sealing.has_master_key:
        return None
    return _file_wrapper(config, secrets) if config.sealing.master_key_file else _token_wrapper(config, secrets)


def _file_wrapper(config: Config, secrets: SecretsWatch | None) -> FileWrapper:
    from bridge.adapters.sealing.file_wrapper import FileWrapper  # noqa: PLC0415 - only what seals needs `cryptography`

    section = config.sealing
    try:
        wrapper = FileWrapper(section.master_key_file or "", section.former_master_key_files)
    except (OSError, ValueError) as error:
        files = ", ".join((section.master_key_file or "", *section.former_master_key_files))
        raise ConfigError(
            f"sealing.master_key_file: {files}: {reason_of(error)}", next_step="`openssl rand -hex 32` makes a key"
        ) from error
    if secrets is not None:
        for one in (wrapper.current, *wrapper.former):
            secrets.add("master_key", one)
    return wrapper


def _token_wrapper(config: Config, secrets: SecretsWatch | None) -> TokenWrapper:
    from bridge.adapters.sealing.token_wrapper import TokenWrapper  # noqa: PLC0415 - as above

    package, place, pin = token_of("sealing", config.sealing)
    if secrets is not None and isinstance(pin, FileBacked):
        secrets.add("sealing_pin", pin)
    return TokenWrapper(package, place, config.sealing.former_pkcs11_key_labels, pin)
