"""What is asked of Kafka's logs before an erasure is called done, with settings that know less than the worker's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from confluent_kafka import Producer

from bridge.adapters.kafka.partitioner import partition_of
from bridge.cli import main
from bridge.commands.erased_logs import not_gone
from bridge.config import load
from tests.integration.e2e_environment import PARTITIONS, E2EEnvironment

if TYPE_CHECKING:
    from pathlib import Path

CHAT = "0000SEALEDONCE01"


def test_a_key_is_looked_for_wherever_there_are_keys_whether_the_settings_name_a_master_key_or_not(
    broker: str, tmp_path: Path
) -> None:
    environment = E2EEnvironment(broker, tmp_path).prepare()
    config = load(None, {}, {"kafka.bootstrap_servers": broker, "kafka.topic_prefix": environment.prefix})
    assert not config.sealing.has_master_key
    assert asyncio.run(not_gone(config, [CHAT])) == set()  # there is no topic of keys

    master = tmp_path / "master"
    master.write_text("5a" * 32, "ascii")
    flags = [
        "--bootstrap-servers",
        broker,
        "--topic-prefix",
        environment.prefix,
        "--set",
        f"kafka.partitions={PARTITIONS}",
    ]
    assert main(["topics", "apply", *flags, "--set", f"sealing.master_key_file={master}"]) == 0
    assert asyncio.run(not_gone(config, [CHAT])) == set()
    producer = Producer({"bootstrap.servers": broker})
    own = partition_of(CHAT.encode(), PARTITIONS)
    producer.produce(environment.topic("keys"), b"a wrapped key", CHAT.encode(), own)
    assert producer.flush(30) == 0
    assert asyncio.run(not_gone(config, [CHAT, "0000NEVERSEALED1"])) == {CHAT}
