"""Builds what seals, and unseals, from the settings."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bridge.adapters.sealing.file_wrapper import FileWrapper
from bridge.adapters.sealing.token_wrapper import TokenWrapper
from bridge.capture.shard_keys import KIND, ShardKeys
from bridge.errors import ConfigError
from bridge.sealing.chat_seal import KEY_BYTES
from bridge.secret_files import FileBacked, reason_of
from bridge.token_factory import token_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bridge.adapters.kafka.topic_manager import TopicNames
    from bridge.capture.outputs import Output
    from bridge.config import Config
    from bridge.sealing.data_keys import KeyWrapper
    from bridge.secrets_watch import SecretsWatch


@dataclass(slots=True, frozen=True)
class WorkerSealing:
    """What a worker seals with: the topic of keys, and the master key; None: no output can be sealed.

    `sealed` are the names of the outputs that are.
    """

    topic: str = ""
    wrapper: KeyWrapper | None = None
    sealed: Collection[str] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of topics that a shard looks at beside others."""
        return () if self.wrapper is None else (KIND,)

    def of_shard(self, partition: int) -> ShardKeys | None:
        """Return the keys of a shard, which are its own; None without a master key."""
        if self.wrapper is None:
            return None
        return ShardKeys(partition, self.topic, self.wrapper, lambda: os.urandom(KEY_BYTES))

    def with_keys(self, outputs: Iterable[Output], keys: ShardKeys | None) -> tuple[Output, ...]:
        """Return the outputs of a shard; those that are sealed have its keys."""
        return tuple(
            replace(one, recording=replace(one.recording, keys=keys)) if one.name in self.sealed else one
            for one in outputs
        )


def key_compaction_of(config: Config) -> int | None:
    """Return for how many seconds the topic of keys may keep a key that was destroyed; None: there is no such topic."""
    return config.sealing.key_compaction_seconds if config.sealing.has_master_key else None


def sealing_of(config: Config, names: TopicNames, secrets: SecretsWatch | None = None) -> WorkerSealing:
    """Return what a worker seals with; `secrets` get its files. Raises ConfigError when they cannot be used."""
    if not config.sealing.has_master_key:
        return WorkerSealing()
    wrapper = _file_wrapper(config, secrets) if config.sealing.master_key_file else _token_wrapper(config, secrets)
    return WorkerSealing(names.keys, wrapper, {one.name for one in config.outputs if one.sealed})


def _file_wrapper(config: Config, secrets: SecretsWatch | None) -> FileWrapper:
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
    package, place, pin = token_of("sealing", config.sealing)
    if secrets is not None and isinstance(pin, FileBacked):
        secrets.add("sealing_pin", pin)
    return TokenWrapper(package, place, config.sealing.former_pkcs11_key_labels, pin)
