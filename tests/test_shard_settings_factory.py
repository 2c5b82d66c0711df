"""The limits of shards: what one transaction takes depends on how many shards it is for."""

from __future__ import annotations

import pytest

from bridge.config import Config
from bridge.shard_settings_factory import shard_settings

MIB = 1 << 20


@pytest.mark.parametrize(("partitions", "most"), [(1, 4 * MIB), (12, 4 * MIB), (32, 4 * MIB), (100, 12.5 * MIB)])
def test_all_shards_together_take_little_into_one_transaction(partitions: int, most: int) -> None:
    config = Config.model_validate({"kafka": {"transactions": "worker"}})
    assert partitions * shard_settings(config, partitions, (), 30.0).batch_bytes <= most


def test_a_shard_with_transactions_of_its_own_takes_as_much_whatever_other_shards_there_are() -> None:
    config = Config.model_validate({"kafka": {"transactions": "shard"}})
    assert {shard_settings(config, partitions, (), 30.0).batch_bytes for partitions in (1, 12, 100)} == {2 * MIB}
