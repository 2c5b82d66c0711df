"""What may be wrong with topics that exist: the codes of `topic_plan`, which `/readyz`, the log and `topics` show."""

from __future__ import annotations

from typing import Final

PARTITIONS_DIFFER: Final = "PARTITIONS_DIFFER"
CLEANUP_POLICY: Final = "CLEANUP_POLICY"
PARTITIONS_TAKEN: Final = "PARTITIONS_TAKEN"
RECORD_LIMIT_LOW: Final = "RECORD_LIMIT_LOW"
ONE_REPLICA: Final = "ONE_REPLICA"
FEW_IN_SYNC: Final = "FEW_IN_SYNC"
RETENTION_SHORTER: Final = "RETENTION_SHORTER"
RETENTION_LONGER: Final = "RETENTION_LONGER"
SETTING_REFUSED: Final = "SETTING_REFUSED"
PARTITIONS_RISING: Final = "PARTITIONS_RISING"

TOPIC_CODES: Final = {
    PARTITIONS_DIFFER: (
        (
            "A reason: the topics have different numbers of partitions. A start ends with exit code 3. If only "
            "`chat.capture.stored.v1` differs, a worker goes on without it: a warning where UCS is not read."
        ),
        (
            "If `chatbridge topics grow` was interrupted: run it again, with `kafka.partitions_before` set. Otherwise "
            "use another `kafka.topic_prefix` and `kafka.group`; partitions cannot be taken away again."
        ),
    ),
    PARTITIONS_RISING: (
        "`chatbridge topics grow` has raised some of the topics. Workers that run go on; a start waits.",
        "Nothing; if it was interrupted, run it again with the same number.",
    ),
    CLEANUP_POLICY: (
        "A reason: the cleanup policy of a topic deletes records that are needed. A start waits.",
        "Set `cleanup.policy` of the topic as the detail says.",
    ),
    PARTITIONS_TAKEN: (
        "A warning, where `kafka.partitions` is set: the topics have another number of partitions; theirs is used.",
        "Nothing, or set `kafka.partitions` to it.",
    ),
    RECORD_LIMIT_LOW: (
        "A warning: a topic takes only smaller records than `kafka.max_record_bytes`; larger ones are quarantined.",
        "Raise `max.message.bytes` of the topic (`chatbridge topics apply`), or lower the setting.",
    ),
    ONE_REPLICA: (
        "A warning: a topic has one replica, so that a broker that is lost takes records with it.",
        "Add replicas (`kafka-reassign-partitions`), on a cluster of three brokers or more.",
    ),
    FEW_IN_SYNC: (
        "A warning: a topic has three replicas or more, and one of them is enough for a commit.",
        "Set `min.insync.replicas` of the topic to 2 (`chatbridge topics apply`).",
    ),
    RETENTION_SHORTER: (
        "A warning: a topic keeps its records for a shorter time than the settings say.",
        "Raise `retention.ms` of the topic (`chatbridge topics apply`), or lower the setting.",
    ),
    RETENTION_LONGER: (
        "A warning: a topic keeps its records for a longer time than the settings say. It is left alone.",
        "Nothing, or `chatbridge topics apply --allow-shorter`.",
    ),
    SETTING_REFUSED: (
        "A warning: Kafka refused a setting of a topic, which was made without it. It lasts until the topic has it.",
        "Nothing, or ask who runs Kafka.",
    ),
}
"""Code -> what it means, and what to do."""
