"""Why a worker is not ready: the codes of `/readyz`. That of an error is the `code` of its class in `bridge.errors`."""

from __future__ import annotations

from typing import Final

from bridge.errors import (
    AccessDenied,
    BridgeError,
    CheckpointsOfOthers,
    EnvironmentFault,
    KafkaUnavailable,
    PartitionsRaised,
    PlaceTaken,
    RegistryRefused,
    RegistryUnavailable,
    SchemaUnknown,
    SealingFailed,
    ShardFenced,
    SigningFailed,
    StampInvalid,
    StampUnavailable,
    TopicMismatch,
    TopicMissing,
    TransactionNotMarked,
    VerificationFailed,
    WorkerIdInUse,
)

PREPARING: Final = "PREPARING"
WAITING_FOR_PARTITIONS: Final = "WAITING_FOR_PARTITIONS"
NO_PARTITIONS: Final = "NO_PARTITIONS"
DRAINING: Final = "DRAINING"
SHARD_OPENING: Final = "SHARD_OPENING"
SHARD_CRASHED: Final = "SHARD_CRASHED"
BUFFER_FULL: Final = "BUFFER_FULL"
COMMIT_SLOW: Final = "COMMIT_SLOW"
UNCOMMITTED: Final = "UNCOMMITTED"
SERVER_UNSTABLE: Final = "SERVER_UNSTABLE"
SERVER_UNREACHABLE: Final = "SERVER_UNREACHABLE"
PARTITIONS_CHANGED: Final = "PARTITIONS_CHANGED"
STATE_LOST: Final = "STATE_LOST"
CHECKPOINTS_LOST: Final = "CHECKPOINTS_LOST"
EVENTS_LOST: Final = "EVENTS_LOST"
SESSIONS_LOST: Final = "SESSIONS_LOST"
ANNOUNCEMENTS_LOST: Final = "ANNOUNCEMENTS_LOST"
KEYS_LOST: Final = "KEYS_LOST"
FORGOTTEN_CODES: Final = (STATE_LOST, CHECKPOINTS_LOST, EVENTS_LOST, SESSIONS_LOST, ANNOUNCEMENTS_LOST, KEYS_LOST)
"""What Kafka may have forgotten."""

JOINS_PAUSED: Final = "JOINS_PAUSED"
OUTPUT_UNKNOWN: Final = "OUTPUT_UNKNOWN"

_WAIT: Final = "Wait; it goes on by itself."
_DELETED: Final = "Find out who deletes topics or records."
_KAFKA: Final = "Look at Kafka: its brokers, its quotas, the network."
READINESS_CODES: Final = {
    PREPARING: ("The topics are checked and the schemas registered.", _WAIT),
    WAITING_FOR_PARTITIONS: ("The consumer group has not assigned partitions yet.", _WAIT),
    NO_PARTITIONS: (
        "The consumer group has no partition for this worker.",
        "Run at most as many workers as `kafka.partitions`; one more takes over when another one stops.",
    ),
    DRAINING: ("A signal was received: the worker hands its shards over and stops.", "Nothing."),
    SHARD_OPENING: ("A shard is being opened: its checkpoints are read.", _WAIT),
    ShardFenced.code: ("Another worker owns this shard now.", "Give each worker a `worker_id` of its own."),
    SHARD_CRASHED: (
        "A defect ended a shard; it is started again within seconds.",
        "Report the `shard_crashed` line of the log.",
    ),
    BUFFER_FULL: ("Reading is paused, because what was received waits to be committed.", _KAFKA),
    COMMIT_SLOW: ("A transaction has been in progress for seconds.", _KAFKA),
    UNCOMMITTED: ("What was received has waited for a commit for too long.", _KAFKA),
    SERVER_UNSTABLE: (
        "A server answers and soon drops a chat or a connection, each time.",
        "Look at the server or gateway, and at what lies between.",
    ),
    SERVER_UNREACHABLE: (
        "Chats have no other server than one that failed three times in a row; a warning while others are connected.",
        "Do what the detail says; if the address is wrong, announce the chats with the right one.",
    ),
    KafkaUnavailable.code: ("No broker answers, or the one that does cannot serve the request now.", _KAFKA),
    TransactionNotMarked.code: (
        "Kafka cannot mark the end of a transaction on a partition without a leader; nothing is committed meanwhile.",
        "Bring back a replica of each partition without a leader (`kafka-topics --describe --unavailable-partitions`).",
    ),
    TopicMismatch.code: ("A topic has properties that the bridge cannot use.", "Do what the detail says."),
    PlaceTaken.code: (
        "Another process has joined the group with this `worker_id`. Within a minute this one ends or goes on.",
        "Give each worker a `worker_id` of its own.",
    ),
    WorkerIdInUse.code: (
        "Another living process has the same `worker_id`; this one ends with exit code 3.",
        "Give each worker a `worker_id` of its own.",
    ),
    AccessDenied.code: (
        "Kafka denies the bridge a right that it needs; the detail names resource, operation and principal.",
        "Grant the right; `chatbridge acls` prints all of them.",
    ),
    CheckpointsOfOthers.code: (
        "The checkpoints were written by a bridge with another `kafka.group`.",
        "Use that group, or topics of your own (`kafka.topic_prefix`).",
    ),
    PARTITIONS_CHANGED: (
        "A topic has another number of partitions than the checkpoints were written under.",
        "Do what `operating.md` says about raised partitions.",
    ),
    PartitionsRaised.code: (
        "All topics have more partitions than before; the shard is opened again and goes by the new number.",
        "Nothing: it takes a second.",
    ),
    TopicMissing.code: (
        "A topic does not exist any more. What is captured is held in memory.",
        "`chatbridge topics apply` creates it.",
    ),
    STATE_LOST: (
        "Checkpoints, or parts, were gone at a start. State is made again from the events and announcements there.",
        "Wait. Then look for GAPs with this code, and find out who deletes topics or records.",
    ),
    CHECKPOINTS_LOST: (
        "Checkpoints were gone while the worker ran. All that is in memory is written again.",
        _DELETED,
    ),
    EVENTS_LOST: (
        "Events are gone. They are not published again; each open chat gets a GAP and an INCOMPLETE certificate.",
        _DELETED,
    ),
    SESSIONS_LOST: ("Session records are gone: certificates of chats that are over, too.", _DELETED),
    ANNOUNCEMENTS_LOST: (
        "Announcements are gone, or were made again. Those that are there are read again, from the first one.",
        "Announce open chats again that nobody follows. " + _DELETED,
    ),
    RegistryUnavailable.code: ("The schema registry does not answer.", "Look at the registry and its address."),
    RegistryRefused.code: ("The schema registry refused a schema or the credentials.", "Do what the detail says."),
    SchemaUnknown.code: (
        "A stored record was written with a schema that is not known here.",
        "Run with the registry, and the version of the bridge, that wrote it.",
    ),
    VerificationFailed.code: ("A stored checkpoint cannot be read.", "Report it; keep the topics as they are."),
    KEYS_LOST: (
        "Keys of sealed chats are gone. Those in memory are written again; what was sealed with others stays sealed.",
        f"{_DELETED} Restore the topic of keys from a copy, if there is one, before more chats come.",
    ),
    SealingFailed.code: (
        "The key of a chat cannot be wrapped or unwrapped: everything waits, and nothing is published unsealed.",
        "Do what the detail says about the master key.",
    ),
    SigningFailed.code: (
        "What is to be committed cannot be signed: it waits, and nothing is published unsigned.",
        "Do what the detail says about the key.",
    ),
    EnvironmentFault.code: ("Something else outside of the bridge is missing or refuses.", "Do what the detail says."),
    BridgeError.code: ("A defect of the bridge.", "Report it, with the log."),
}
"""Code of a reason in `/readyz` -> what it means, and what to do."""

WARNING_CODES: Final = {
    OUTPUT_UNKNOWN: (
        "Open chats have records in an output that the settings lack, and will have no last one there.",
        "Put the output back with `ended: true`, at once: a chat that goes on meanwhile is not ended there any more.",
    ),
    StampUnavailable.code: (
        "The time stamping authority does not answer, or refuses. Heads are signed and published as ever, unstamped.",
        "Look at the authority, the network, and `evidence.timestamp_url`. It is asked again within minutes.",
    ),
    StampInvalid.code: (
        "What the time stamping authority answers is no stamp of what was asked for, and is not kept.",
        "Look at `evidence.timestamp_ca_file`, and at the clocks of the worker and of the authority.",
    ),
    JOINS_PAUSED: (
        "The administrator has paused joins: chats that are not joined wait, the others go on.",
        'Let them go on: `PUT /v1/admin/joins` with `{"paused": false}`. The pause ends with the process, too.',
    ),
}
"""Code of a warning in `/readyz`, beside those about topics -> what it means, and what to do."""
