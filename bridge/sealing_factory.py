"""Builds what a worker seals with, from the settings."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bridge.capture.shard_keys import KIND, ShardKeys
from bridge.master_key_factory import master_key_of
from bridge.sealing.chat_seal import KEY_BYTES

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


def sealing_of(config: Config, names: TopicNames, secrets: SecretsWatch | None = None) -> WorkerSealing:
    """Return what a worker seals with; `secrets` get its files. Raises ConfigError when they cannot be used."""
    wrapper = master_key_of(config, secrets)
    if wrapper is None:
        return WorkerSealing()
    return WorkerSealing(names.keys, wrapper, {one.name for one in config.outputs if one.sealed})
